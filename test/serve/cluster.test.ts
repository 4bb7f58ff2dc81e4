import { afterAll, beforeAll, expect, test } from 'vitest';
import { holdTable } from '../support/held-table.ts';
import { checkInvariantsOf } from '../support/invariants.ts';
import type { ServeProcess } from '../support/processes.ts';
import { startRedis } from '../support/redis.ts';
import { waitFor } from '../support/wait.ts';
import {
  type Cluster,
  expectOrder,
  followInSteps,
  issueCards,
  keysOf,
  readMetric,
  startCluster,
  watch,
} from './cluster.ts';

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster();
});

afterAll(async () => {
  await checkInvariantsOf(cluster.environment.DATABASE_URL);
  expect(await cluster.stop()).toEqual([0, 0, 0, 0]);
});

test('a subscriber of either gateway sees a task that was started at the other', async () => {
  const [first, second] = cluster.gateways;
  if (first === undefined || second === undefined) throw new Error('no gateways');
  const held = await holdTable(cluster.environment.DATABASE_URL, 'gift_cards');
  const ids = await Promise.all([
    issueCards(first, cluster.credentials, 60_000),
    issueCards(second, cluster.credentials, 60_000),
  ]);
  const watches = ids.flatMap((id) => [watch(first, cluster.credentials, id), watch(second, cluster.credentials, id)]);
  // Each worker has two slots: both are at it.
  await waitFor(async () => (await held.countWaiting()) === 4, { message: 'four chunks are in hand' });
  await held.release();
  for (const updates of await Promise.all(watches)) {
    expectOrder(updates);
    expect(updates.at(-1)).toMatchObject({ state: 'SUCCEEDED', counts: { processed: 60_000, total: 60_000 } });
  }
  const shares = await Promise.all(cluster.workers.map(countApplied));
  expect(shares.reduce((sum, share) => sum + share)).toBe(120_000);
  for (const share of shares) expect(share).toBeGreaterThan(0);
});

test('Redis going away hurts neither work nor polls, and subscribers catch up', { timeout: 60_000 }, async () => {
  const [first, second] = cluster.gateways;
  if (first === undefined || second === undefined) throw new Error('no gateways');
  const { credentials, redis } = cluster;
  const before = await issueCards(first, credentials, 150_000);
  const watchedBefore = watch(second, credentials, before);
  await redis.kill();
  const during = await issueCards(first, credentials, 20_000);
  const watchedDuring = watch(second, credentials, during);

  const [updatesBefore, updatesDuring] = await Promise.all([watchedBefore, watchedDuring]);
  for (const updates of [updatesBefore, updatesDuring]) {
    expectOrder(updates);
    expect(updates.at(-1)).toMatchObject({ state: 'SUCCEEDED' });
  }
  for (const gateway of cluster.gateways) {
    const poll = await fetch(`${gateway.url}/v1/async-actions`, { headers: keysOf(credentials) });
    expect(poll.status).toBe(200);
    expect(await (await fetch(`${gateway.url}/readyz`)).json()).toMatchObject({ status: 'ok', bus: 'down' });
    expect(await readMetric(gateway, 'bulkcast_bus_up')).toBe(0);
  }

  await startRedis({ port: redis.port });
  const isUp = async () => {
    const answers = cluster.gateways.map(async ({ url }) => (await fetch(`${url}/readyz`)).json());
    return (await Promise.all(answers)).every((answer) => (answer as { bus: string }).bus === 'up');
  };
  await expect.poll(isUp, { timeout: 5_000 }).toBe(true);
  for (const gateway of cluster.gateways) {
    expect(await readMetric(gateway, 'bulkcast_bus_up')).toBe(1);
    expect(await readMetric(gateway, 'bulkcast_bus_interruptions_total')).toBeGreaterThan(0);
  }
  expectOrder(await followInSteps({ started: second, watched: first }, cluster.environment, credentials));
});

/** Items that a worker has issued, as its metrics tell. */
async function countApplied(worker: ServeProcess): Promise<number> {
  const { url } = await worker.waitForLog('health.listening');
  return readMetric(
    { url: String(url) },
    'bulkcast_items_applied_total{operation="gift_cards.issue",outcome="succeeded"}',
  );
}

test('each process tells what it does: health, and metrics of its own work', async () => {
  const [gateway] = cluster.gateways;
  const [worker] = cluster.workers;
  const metrics = await (await fetch(`${gateway?.url}/metrics`)).text();
  for (const name of ['bulkcast_subscribers', 'bulkcast_request_seconds_bucket', 'bulkcast_publish_failures_total']) {
    expect(metrics).toContain(name);
  }
  const listening = await worker?.waitForLog('health.listening');
  expect(await (await fetch(`${listening?.url}/healthz`)).json()).toEqual({ status: 'ok' });
  expect((await fetch(`${listening?.url}/readyz`)).status).toBe(200);
  const worked = await (await fetch(`${listening?.url}/metrics`)).text();
  expect(worked).toMatch(/bulkcast_items_applied_total\{operation="gift_cards.issue",outcome="succeeded"\} [1-9]/);
  expect(worked).toContain('bulkcast_chunk_seconds_bucket');
});

test('logs are JSON lines without card numbers or tokens', () => {
  const lines = [...cluster.gateways, ...cluster.workers].flatMap((running) => running.logs);
  expect(lines.length).toBeGreaterThan(10);
  const text = JSON.stringify(lines);
  expect(text).not.toMatch(/"\d{16}"/);
  expect(text).not.toContain(cluster.credentials.appToken);
  expect(text).not.toContain(cluster.credentials.password);
});
