import { sql } from 'kysely';
import { expect, inject, test } from 'vitest';
import { readTask } from '../../src/tasks/store.ts';
import { ask } from '../graphql/client.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { startServe } from '../support/processes.ts';
import { waitFor } from '../support/wait.ts';

const count = 2_000;

test('two imports started together end one after the other, though workers are killed, and say why they wait', {
  timeout: 120_000,
}, async () => {
  const app = await startTestApp({ role: 'gateway' });
  const { db } = app.app;
  await sql`insert into customers (id, project_id, source_id) values ('cust_held', ${app.project.id}, 'held')`.execute(
    db,
  );
  const first = await startImport(app, 'a');
  const second = await startImport(app, 'b');
  expect(await readWaiting(app, first)).toEqual({ state: 'QUEUED', waitingReason: 'Waiting for a free worker' });
  const why = `Waiting for ${first} to end: a project's tasks of \`importOrders\` run one by one`;
  expect(await readWaiting(app, second)).toEqual({ state: 'QUEUED', waitingReason: why });

  // The first import gets no further than the order of the customer that is locked here.
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const { promise: locked, resolve: isLocked } = Promise.withResolvers<void>();
  const holding = db.transaction().execute(async (tx) => {
    await sql`select from customers where id = 'cust_held' for update`.execute(tx);
    isLocked();
    await released;
  });
  await locked;
  const killed = [await startWorker(app), await startWorker(app)];
  const isHalfDone = async () => (await readTask(db, first))?.processed === 1_000;
  await waitFor(isHalfDone, { timeoutMs: 30_000, message: 'half of the first import' });
  expect(await readWaiting(app, second)).toEqual({ state: 'QUEUED', waitingReason: why });
  await Promise.all(killed.map((worker) => worker.kill()));
  release();
  await holding;

  const survivors = [await startWorker(app), await startWorker(app)];
  const hasEnded = async () => (await readTask(db, second))?.completedAt != null;
  await waitFor(hasEnded, { timeoutMs: 60_000, message: 'the second import ends' });
  const [one, two] = [await readTask(db, first), await readTask(db, second)];
  for (const task of [one, two]) expect(task).toMatchObject({ state: 'SUCCEEDED', succeeded: count, failed: 0 });
  expect(two?.startedAt?.getTime()).toBeGreaterThanOrEqual(one?.completedAt?.getTime() ?? Number.NaN);
  expect(await readWaiting(app, second)).toEqual({ state: 'SUCCEEDED', waitingReason: null });
  const { rows } = await sql<{ count: number }>`select count(*) from orders`.execute(db);
  expect(rows).toEqual([{ count: 2 * count }]);
  expect(await Promise.all(survivors.map((worker) => worker.stop()))).toEqual([0, 0]);
});

function startWorker(app: TestApp) {
  return startServe({
    DATABASE_URL: app.database.url,
    REDIS_URL: inject('redisUrl'),
    BULKCAST_ROLE: 'worker',
    BULKCAST_SECRET: 'a secret of the tests, long enough for HMAC',
  });
}

async function startImport(app: TestApp, prefix: string): Promise<string> {
  const orders = Array.from({ length: count }, (_, index) => ({
    source_id: `${prefix}${index}`,
    amount: 100,
    ...(index === 1_200 && { customer: { source_id: 'held', name: prefix } }),
  }));
  const response = await fetch(`${app.url}/v1/orders/import`, {
    method: 'POST',
    headers: { ...app.project.headers, 'content-type': 'application/json' },
    body: JSON.stringify(orders),
  });
  return ((await response.json()) as { async_action_id: string }).async_action_id;
}

async function readWaiting(app: TestApp, id: string) {
  const query = 'query ($id: ID!) { bulkTask(id: $id) { ... on TaskProgress { state waitingReason } } }';
  return (await ask<{ bulkTask: object }>(app, query, { id })).data.bulkTask;
}
