import { sql } from 'kysely';
import { beforeAll, expect, inject, test } from 'vitest';
import { readTask } from '../../src/tasks/store.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { startServe } from '../support/processes.ts';
import { waitFor } from '../support/wait.ts';
import { ask, codes, importVouchers, issueCards } from './client.ts';

interface SteerAnswer {
  readonly steered: { readonly task: Record<string, unknown> | null; readonly userErrors: readonly object[] };
}

const shown = `... on TaskProgress { id state changedBy changeReason completedAt counts { processed }
  timeline { state actor reason } phases { name endedAt } }`;

async function steer(app: TestApp, mutation: string, id: string, reason?: string, headers = app.project.headers) {
  const query = `mutation ($id: ID!, $reason: String) {
    steered: ${mutation}(id: $id, reason: $reason) { task { ${shown} } userErrors { field code message } } }`;
  return (await ask<SteerAnswer>(app, query, { id, reason }, headers)).data.steered;
}

let app: TestApp;

beforeAll(async () => {
  app = await startTestApp({ role: 'gateway' });
});

test('a task is paused, resumed and canceled, and tells who did it and why', async () => {
  const id = await issueCards(app, 1_000);
  const { appId } = app.project;
  const paused = await steer(app, 'pauseBulkTask', id, 'lunch');
  expect(paused).toMatchObject({ task: { state: 'PAUSED', changedBy: appId, changeReason: 'lunch' }, userErrors: [] });
  expect(await steer(app, 'resumeBulkTask', id)).toMatchObject({ task: { state: 'QUEUED', changeReason: null } });
  expect((await steer(app, 'cancelBulkTask', id, 'typo')).task).toMatchObject({
    state: 'CANCELED',
    changedBy: appId,
    changeReason: 'typo',
    timeline: [
      { state: 'QUEUED', actor: appId, reason: null },
      { state: 'PAUSED', actor: appId, reason: 'lunch' },
      { state: 'QUEUED', actor: appId, reason: null },
      { state: 'CANCELING', actor: appId, reason: 'typo' },
      { state: 'CANCELED', actor: null, reason: null },
    ],
    phases: [
      { name: 'STAGING', endedAt: expect.any(String) },
      { name: 'FINISHING', endedAt: expect.any(String) },
    ],
  });
  expect(await steer(app, 'pauseBulkTask', id)).toMatchObject({
    task: null,
    userErrors: [{ field: ['id'], code: 'TASK_ENDED' }],
  });
});

test('a task of another project, or of no project, cannot be steered', async () => {
  const id = await issueCards(app, 10);
  const stranger = await app.createProject();
  for (const mutation of ['pauseBulkTask', 'resumeBulkTask', 'cancelBulkTask']) {
    for (const [what, headers] of [
      [id, stranger.headers],
      ['no such task', app.project.headers],
    ] as const) {
      const { userErrors } = await steer(app, mutation, what, undefined, headers);
      expect(userErrors).toMatchObject([{ field: ['id'], code: 'NOT_FOUND' }]);
    }
  }
  expect(await readTask(app.app.db, id)).toMatchObject({ state: 'QUEUED', version: 1 });
});

test('a reason that is too long or cannot be stored is refused', async () => {
  const id = await issueCards(app, 10);
  for (const reason of ['x'.repeat(1_001), 'a\0b']) {
    const { userErrors } = await steer(app, 'cancelBulkTask', id, reason);
    expect(userErrors).toMatchObject([{ field: ['reason'], code: 'INVALID' }]);
  }
});

test('pollers of the old paths see a paused task in progress and a canceled one failed', async () => {
  const cards = await issueCards(app, 10);
  const vouchers = await importVouchers(app, [{ code: 'STEER', type: 'DISCOUNT_VOUCHER' }]);
  const poll = async () => {
    const issuance = `${app.url}/v2/giftcards/programs/${app.project.programId}/cards/bulk/${cards}`;
    const action = `${app.url}/v1/async-actions/${vouchers}`;
    const headers = { ...app.project.headers, authorization: await app.project.bearer() };
    const [one, two] = await Promise.all([
      fetch(issuance, { headers: { authorization: headers.authorization } }),
      fetch(action, { headers: app.project.headers }),
    ]);
    return [await one.json(), await two.json()];
  };
  for (const id of [cards, vouchers]) await steer(app, 'pauseBulkTask', id);
  expect(await poll()).toMatchObject([
    { status: 'processing' },
    { status: 'IN_PROGRESS', operation_status: 'UNKNOWN' },
  ]);
  for (const id of [cards, vouchers]) await steer(app, 'cancelBulkTask', id);
  expect(await poll()).toMatchObject([
    { status: 'failed', error: 'The task was canceled' },
    { status: 'FAILED', operation_status: 'FAILED' },
  ]);
});

test('all tasks that fit a filter are canceled, and a filter without any part is refused', async () => {
  const project = await app.createProject();
  const ids = [await issueCards(app, 10, project), await issueCards(app, 10, project)];
  const foreign = await issueCards(app, 10);
  const query = `mutation ($filter: BulkTaskFilter!) {
    cancelBulkTasks(filter: $filter, reason: "all") { count userErrors { field code } } }`;
  const cancel = async (filter: object) =>
    (await ask<{ cancelBulkTasks: object }>(app, query, { filter }, project.headers)).data.cancelBulkTasks;
  expect(await cancel({})).toEqual({ count: null, userErrors: [{ field: ['filter'], code: 'EMPTY_FILTER' }] });
  expect(await cancel({ state: [] })).toEqual({ count: 0, userErrors: [] });
  expect(await cancel({ model: ['ASYNC_ACTION'] })).toEqual({ count: 0, userErrors: [] });
  expect(await cancel({ state: ['QUEUED'] })).toEqual({ count: 2, userErrors: [] });
  for (const id of ids)
    expect(await readTask(app.app.db, id)).toMatchObject({ state: 'CANCELED', changeReason: 'all' });
  expect(await readTask(app.app.db, foreign)).toMatchObject({ state: 'QUEUED' });
});

test('tasks that several cancel at the same time are counted once, and none is left', async () => {
  const project = await app.createProject();
  const ids = await Promise.all(Array.from({ length: 120 }, () => issueCards(app, 1, project)));
  const query = `mutation { cancelBulkTasks(filter: { model: [BULK_ISSUANCE] }) { count userErrors { code } } }`;
  const cancel = () => ask<{ cancelBulkTasks: { count: number } }>(app, query, {}, project.headers);
  const answers = await Promise.all(Array.from({ length: 4 }, cancel));
  expect(answers.flatMap(({ errors }) => errors ?? [])).toEqual([]);
  const counts = answers.map(({ data }) => data.cancelBulkTasks.count);
  expect(counts.reduce((sum, count) => sum + count)).toBe(ids.length);
  expect((await cancel()).data).toEqual({ cancelBulkTasks: { count: 0, userErrors: [] } });
  for (const id of ids) expect(await readTask(app.app.db, id)).toMatchObject({ state: 'CANCELED' });
});

test('a watch token steers nothing and does not learn who did', async () => {
  const id = await issueCards(app, 10);
  await steer(app, 'pauseBulkTask', id, 'a secret');
  const make = 'mutation ($id: ID!) { createWatchToken(input: { id: $id }) { token } }';
  const { data } = await ask<{ createWatchToken: { token: string } }>(app, make, { id });
  const headers = { authorization: `Bearer ${data.createWatchToken.token}` };
  const canceled = await ask(
    app,
    'mutation ($id: ID!) { cancelBulkTask(id: $id) { task { __typename } } }',
    { id },
    headers,
  );
  expect(codes(canceled)).toEqual(['FORBIDDEN']);
  for (const field of [
    'changedBy',
    'changeReason',
    'timeline { state }',
    'phases { name }',
    'parent { id }',
    'children { id }',
  ]) {
    const query = `query ($id: ID!) { bulkTask(id: $id) { ... on TaskProgress { ${field} } } }`;
    expect(codes(await ask(app, query, { id }, headers)), field).toEqual(['FORBIDDEN']);
  }
});

test('a task that is being canceled when its worker is killed is CANCELED, and what was applied stays', {
  timeout: 90_000,
}, async () => {
  const held = await startTestApp({ role: 'gateway' });
  const { db } = held.app;
  await sql`insert into customers (id, project_id, source_id) values ('cust_held', ${held.project.id}, 'held')`.execute(
    db,
  );
  const orders = Array.from({ length: 2_000 }, (_, index) => ({
    source_id: `o${index}`,
    amount: 100,
    ...(index === 1_200 && { customer: { source_id: 'held', name: 'Held' } }),
  }));
  const response = await fetch(`${held.url}/v1/orders/import`, {
    method: 'POST',
    headers: { ...held.project.headers, 'content-type': 'application/json' },
    body: JSON.stringify(orders),
  });
  const { async_action_id: id } = (await response.json()) as { async_action_id: string };
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const { promise: locked, resolve: isLocked } = Promise.withResolvers<void>();
  const holding = db.transaction().execute(async (tx) => {
    await sql`select from customers where id = 'cust_held' for update`.execute(tx);
    isLocked();
    await released;
  });
  await locked;
  const startWorker = () =>
    startServe({
      DATABASE_URL: held.database.url,
      REDIS_URL: inject('redisUrl'),
      BULKCAST_ROLE: 'worker',
      BULKCAST_SECRET: 'a secret of the tests, long enough for HMAC',
    });
  const killed = await startWorker();
  const isInHand = async () => {
    const { rows } = await sql`select from pg_locks where locktype = 'advisory' and mode = 'ShareLock'`.execute(db);
    return rows.length > 0 && (await readTask(db, id))?.processed === 1_000;
  };
  await waitFor(isInHand, { timeoutMs: 30_000, message: 'the chunk that waits is in hand' });
  expect((await steer(held, 'cancelBulkTask', id)).task).toMatchObject({ state: 'CANCELING' });
  await killed.kill();
  release();
  await holding;
  const survivor = await startWorker();
  const isCanceled = async () => (await readTask(db, id))?.state === 'CANCELED';
  await waitFor(isCanceled, { timeoutMs: 40_000, message: 'the task is CANCELED' });
  expect(await readTask(db, id)).toMatchObject({ processed: 1_000, succeeded: 1_000 });
  const { rows } = await sql<{ count: number }>`select count(*) from orders`.execute(db);
  expect(rows).toEqual([{ count: 1_000 }]);
  expect(await survivor.stop()).toBe(0);
});
