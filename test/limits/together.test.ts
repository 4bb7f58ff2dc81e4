import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { openRedisBus } from '../../src/progress/redis-bus.ts';
import { recordLog } from '../progress/fixtures.ts';
import { atEndOfFile } from '../support/at-end.ts';
import { startTestApp, type TestApp, type TestProject } from '../support/gateway.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { startRedisCluster } from '../support/redis-cluster.ts';
import { waitFor } from '../support/wait.ts';

const limit = 300;
/** What one gateway may hold and not use: 1 %. */
const lease = limit / 100;

async function openGateways(redis: RedisServer): Promise<[TestApp, TestApp]> {
  const settings = { BULKCAST_CALLS_PER_MINUTE: String(limit), REDIS_URL: redis.url };
  const first = await startTestApp({ role: 'gateway', settings });
  const second = await startTestApp({ role: 'gateway', settings, database: first.database });
  await waitFor(() => first.app.bus.isUp() && second.app.bus.isUp(), { message: 'both gateways have Redis' });
  return [first, second];
}

/** Calls so often, 20 at a time, and counts the answers by their statuses. */
async function callOften(app: TestApp, times: number, { headers }: TestProject): Promise<Record<number, number>> {
  const statuses: Record<number, number> = {};
  for (let done = 0; done < times; done += 20) {
    const call = async () => {
      const { status } = await fetch(`${app.url}/v1/async-actions/none`, { headers });
      statuses[status] = (statuses[status] ?? 0) + 1;
    };
    await Promise.all(Array.from({ length: Math.min(20, times - done) }, call));
  }
  return statuses;
}

test('two gateways together answer no more than the limit, and no less but for what they hold, and seldom ask', async () => {
  const redis = await startRedis();
  const [one, other] = await openGateways(redis);
  const answers = await Promise.all([callOften(one, 260, one.project), callOften(other, 260, one.project)]);
  expect(answers.flatMap(Object.keys).every((status) => status === '404' || status === '429')).toBe(true);
  const answered = answers.reduce((sum, statuses) => sum + (statuses[404] ?? 0), 0);
  expect(answered).toBeLessThanOrEqual(limit);
  expect(answered).toBeGreaterThanOrEqual(limit - 2 * lease);
  const asker = new Redis(redis.url);
  atEndOfFile(async () => asker.disconnect());
  const evals = Number(/cmdstat_eval:calls=(\d+)/.exec(await asker.info('commandstats'))?.[1]);
  expect(evals).toBeLessThan(limit / 2);
});

test('a Redis that dies fails no call: each gateway counts on by itself, and together again when it is back', async () => {
  const redis = await startRedis();
  const [one, other] = await openGateways(redis);
  await Promise.all([callOften(one, 100, one.project), callOften(other, 100, one.project)]);
  const [during] = await Promise.all([
    Promise.all([callOften(one, 300, one.project), callOften(other, 300, one.project)]),
    redis.kill(),
  ]);
  for (const statuses of during) {
    expect(Object.keys(statuses)).toEqual(['404', '429']);
    // What it knew to be left, as if the other one did not call.
    expect(statuses[404]).toBeLessThanOrEqual(limit - 100);
    expect(statuses[404]).toBeGreaterThanOrEqual(limit - 200 - 2 * lease);
  }
  await startRedis({ port: redis.port });
  await waitFor(() => one.app.bus.isUp() && other.app.bus.isUp(), { message: 'both gateways are back' });
  const project = await one.createProject();
  await waitFor(
    async () => {
      await callOften(one, 1, await one.createProject());
      await callOften(other, 1, await one.createProject());
      return [one, other].every(({ logs }) => logs.some(({ event }) => event === 'limits.together'));
    },
    { message: 'both count together again' },
  );
  const after = await Promise.all([callOften(one, 260, project), callOften(other, 260, project)]);
  expect(after.reduce((sum, statuses) => sum + (statuses[404] ?? 0), 0)).toBeLessThanOrEqual(limit);
});

test('a Redis that is silent holds no call up for long', async () => {
  const redis = await startRedis();
  const [one] = await openGateways(redis);
  redis.pause();
  const startedAt = performance.now();
  expect(await callOften(one, 20, one.project)).toEqual({ 404: 20 });
  // Redis itself would be given up after 2 s, and each call would wait for it.
  expect(performance.now() - startedAt).toBeLessThan(5_000);
  redis.resume();
});

test('counts in a Redis Cluster too, each owner at one of its nodes', async () => {
  const cluster = await startRedisCluster();
  const open = () => {
    const bus = openRedisBus({ url: cluster.url, log: recordLog(), failed: () => undefined });
    atEndOfFile(bus.stop);
    return bus;
  };
  const buses = [open(), open()];
  await waitFor(() => buses.every((bus) => bus.isUp()), { message: 'both are connected' });
  const wanted = ['calls', 'key-calls KEY app {x}'].map((name) => ({ name, limit: 10, windowMs: 60_000, wanted: 6 }));
  for (const owner of Array.from({ length: 20 }, () => randomUUID())) {
    const granted = [];
    for (const bus of buses) granted.push(await bus.counter?.take(owner, wanted));
    expect(granted).toMatchObject([
      [
        { granted: 6, remaining: 4 },
        { granted: 6, remaining: 4 },
      ],
      [
        { granted: 4, remaining: 0 },
        { granted: 4, remaining: 0 },
      ],
    ]);
  }
});
