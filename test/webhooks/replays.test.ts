import type { ServerResponse } from 'node:http';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { lockEndpoint } from '../../src/webhooks/attempts.ts';
import { deliver } from '../../src/webhooks/deliver.ts';
import { createWebhooks } from '../../src/webhooks/webhooks.ts';
import { secret, startTestApp, type TestApp } from '../support/gateway.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { waitFor } from '../support/wait.ts';
import { change, createEndpoint, deliveryOf, readEndpoint } from './client.ts';

const settings = { BULKCAST_WEBHOOK_NETWORKS: '127.0.0.0/8' };
const all = await startTestApp({ settings });
const { db } = all.app;

/** The app with a project of its own. */
async function newShop(): Promise<TestApp> {
  return { ...all, project: await all.createProject() };
}

/** A delivery whose attempt is in hand: its receiver answers nothing until it is told how. */
async function holdAttempt(app: TestApp) {
  const receiver = await startReceiver();
  const held: ServerResponse[] = [];
  receiver.answer((response) => held.push(response));
  const { id: endpointId } = await createEndpoint(app, receiver.url);
  const { data } = await change(app, 'testWebhookEndpoint', endpointId);
  const id = data.done.delivery?.id ?? '';
  await receiver.waitFor(1);
  /** Answers what is held, the oldest first. */
  const release = (status: number) => held.shift()?.writeHead(status).end();
  return { id, endpointId, receiver, release };
}

async function replay(app: TestApp, id: string): Promise<void> {
  const { data } = await change(app, 'replayWebhookDelivery', id);
  expect(data.done).toMatchObject({ delivery: { id, state: 'PENDING' }, userErrors: [] });
}

/** Once every job of the endpoint has been run, also those that were to come later. */
async function jobsAreRun(endpointId: string): Promise<void> {
  const areRun = async () => {
    await sql`update pgboss.job set start_after = now()
      where name = 'webhooks' and data->>'endpointId' = ${endpointId} and state = 'created'`.execute(db);
    const { rows } = await sql`select from pgboss.job
      where name = 'webhooks' and data->>'endpointId' = ${endpointId} and state in ('created', 'retry', 'active')`.execute(
      db,
    );
    return rows.length === 0;
  };
  await waitFor(areRun, { message: 'all jobs of the endpoint are run', timeoutMs: 15_000 });
}

function expectSame({ received }: Receiver): void {
  const [first, ...others] = received;
  for (const other of others) expect(other).toMatchObject({ id: first?.id, text: first?.text });
}

test.each([
  ['succeeds', 200, null],
  ['fails', 400, 'STATUS'],
])('a replay during an attempt that then %s is sent at once', async (_how, status, error) => {
  const app = await newShop();
  const { id, endpointId, receiver, release } = await holdAttempt(app);
  await replay(app, id);
  release(status);
  await receiver.waitFor(2);
  const again = await deliveryOf(app, endpointId, ({ attempts }) => attempts.length === 1);
  expect(again).toMatchObject({ id, state: 'PENDING', attempts: [{ number: 1, status, error }] });
  const { rows } = await sql<{ wait: number }>`
    select extract(epoch from next_attempt_at - at)::float8 as wait
    from webhook_deliveries join webhook_attempts on delivery_id = id where id = ${id}`.execute(db);
  expect(rows[0]?.wait).toBeLessThan(1);

  release(204);
  const sent = await deliveryOf(app, endpointId, ({ state }) => state === 'SUCCEEDED');
  expect(sent.attempts).toMatchObject([
    { number: 1, status, error },
    { number: 2, status: 204, error: null },
  ]);
  await jobsAreRun(endpointId);
  expect(receiver.received).toHaveLength(2);
  expectSame(receiver);
  expect(await readEndpoint(app, endpointId)).toMatchObject({ failures: 0 });
});

test('several replays during one attempt send one more message, and each replay during another one more', async () => {
  const app = await newShop();
  const { id, endpointId, receiver, release } = await holdAttempt(app);
  for (let count = 0; count < 3; count += 1) await replay(app, id);
  release(200);
  await receiver.waitFor(2);
  await replay(app, id);
  release(400);
  await receiver.waitFor(3);
  release(200);
  const sent = await deliveryOf(app, endpointId, ({ state }) => state === 'SUCCEEDED');
  expect(sent.attempts.map(({ number, status }) => [number, status])).toEqual([
    [1, 200],
    [2, 400],
    [3, 200],
  ]);
  await jobsAreRun(endpointId);
  expect(receiver.received).toHaveLength(3);
  expectSame(receiver);
});

test('a replay is sent also when nothing more is heard of the attempt in hand', async () => {
  const app = await newShop();
  const { id, endpointId, receiver, release } = await holdAttempt(app);
  await replay(app, id);
  receiver.answer((response) => response.writeHead(200).end());
  // As if the worker that has it in hand were gone for so long.
  await sql`update pgboss.job set start_after = now()
    where name = 'webhooks' and data->>'deliveryId' = ${id} and state = 'created'`.execute(db);
  await deliveryOf(app, endpointId, ({ state }) => state === 'SUCCEEDED');
  release(400);
  await jobsAreRun(endpointId);
  const sent = await deliveryOf(app, endpointId, ({ state }) => state === 'SUCCEEDED');
  expect(sent.attempts).toMatchObject([{ number: 1, status: 200 }]);
  expect(receiver.received).toHaveLength(2);
  expectSame(receiver);
});

test('a replay of what waits for its next attempt is sent at once', async () => {
  const app = await newShop();
  const { id, endpointId, receiver, release } = await holdAttempt(app);
  release(400);
  await deliveryOf(app, endpointId, ({ attempts }) => attempts.length === 1);
  await sql`update pgboss.job set start_after = now() + interval '1 hour'
    where name = 'webhooks' and data->>'deliveryId' = ${id} and state = 'created'`.execute(db);
  await replay(app, id);
  await receiver.waitFor(2);
  release(200);
  const sent = await deliveryOf(app, endpointId, ({ state }) => state === 'SUCCEEDED');
  expect(sent.attempts.map(({ number }) => number)).toEqual([1, 2]);
});

test('what an attempt tells of its endpoint holds also when it was replayed meanwhile', async () => {
  const app = await newShop();
  const { id, endpointId, receiver, release } = await holdAttempt(app);
  await replay(app, id);
  release(410);
  const gone = await deliveryOf(app, endpointId, ({ state }) => state === 'FAILED');
  expect(gone).toMatchObject({ id, nextAttemptAt: null, attempts: [{ number: 1, status: 410, error: 'GONE' }] });
  expect(await readEndpoint(app, endpointId)).toMatchObject({ disabledReason: 'GONE', failures: 1 });
  await jobsAreRun(endpointId);
  expect(receiver.received).toHaveLength(1);
});

test('a replay is not sent to an endpoint that is disabled or deleted before the attempt in hand is over', async () => {
  const app = await newShop();
  const [disabled, deleted] = [await holdAttempt(app), await holdAttempt(app)];
  for (const { id } of [disabled, deleted]) await replay(app, id);
  await change(app, 'updateWebhookEndpoint', { id: disabled.endpointId, enabled: false });
  await change(app, 'deleteWebhookEndpoint', deleted.endpointId);
  for (const { endpointId, receiver, release } of [disabled, deleted]) {
    release(200);
    await jobsAreRun(endpointId);
    expect(receiver.received).toHaveLength(1);
  }
  const given = await deliveryOf(app, disabled.endpointId, ({ state }) => state === 'FAILED');
  expect(given.attempts).toEqual([]);
});

test('a replay while an attempt is being put off ends the wait', async () => {
  const gateway = await startTestApp({ role: 'gateway', settings });
  const { db, engine, log, metrics } = gateway.app;
  const receiver = await startReceiver();
  const { id: endpointId } = await createEndpoint(gateway, receiver.url);
  const { data } = await change(gateway, 'testWebhookEndpoint', endpointId);
  const id = data.done.delivery?.id ?? '';
  await sql`update webhook_endpoints set paused_until = now() + interval '1 hour' where id = ${endpointId}`.execute(db);

  const deps = { ...createWebhooks(engine, secret, ['127.0.0.0/8']), log, metrics };
  const run = () => deliver(deps, { deliveryId: id, endpointId, attempt: 1 }, new AbortController().signal);
  const areWaiting = async (count: number) => {
    const { rows } = await sql`
      select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`.execute(db);
    return rows.length === count;
  };
  // Both wait for the endpoint's lock, and get it one after the other.
  const [replaying, putOff] = await db.transaction().execute(async (tx) => {
    await lockEndpoint(tx, endpointId);
    const first = replay(gateway, id);
    await waitFor(() => areWaiting(1), { message: 'the replay waits' });
    const second = run();
    await waitFor(() => areWaiting(2), { message: 'the attempt waits' });
    return [first, second].map((one) => Promise.allSettled([one]));
  });
  expect(await replaying).toMatchObject([{ status: 'fulfilled' }]);
  expect(await putOff).toMatchObject([{ status: 'fulfilled', value: 'DONE' }]);
  const { rows } = await sql`select from webhook_deliveries where id = ${id} and next_attempt_at <= now()`.execute(db);
  expect(rows).toHaveLength(1);
  const jobs = await sql`select from pgboss.job where name = 'webhooks' and start_after <= now()`.execute(db);
  expect(jobs.rows).toHaveLength(2);
  expect(await run()).toBe('DONE');
  expect(receiver.received).toHaveLength(1);
  await deliveryOf(gateway, endpointId, ({ state }) => state === 'SUCCEEDED');
});
