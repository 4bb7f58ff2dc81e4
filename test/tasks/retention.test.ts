import { sql } from 'kysely';
import { beforeAll, expect, inject, test } from 'vitest';
import { readConfig } from '../../src/config.ts';
import type { Database } from '../../src/db/client.ts';
import { runRound } from '../../src/retention.ts';
import { expireItems, expireKeys, expireTasks, holdItems, sweepLeftovers } from '../../src/tasks/expiry.ts';
import { ask, issueCards, succeeded } from '../graphql/client.ts';
import { createDatabase } from '../support/database.ts';
import { age, insertEndedTasks } from '../support/ended-tasks.ts';
import { secret, startTestApp, type TestApp } from '../support/gateway.ts';
import { startServe } from '../support/processes.ts';
import { waitFor } from '../support/wait.ts';

const keys = { tasks: 'bulkcast_expired_rows_total{what="tasks"}' };

let app: TestApp;
let db: Database;

beforeAll(async () => {
  app = await startTestApp();
  db = app.app.db;
});

/** A round of a worker with these settings. */
const round = (settings: Record<string, string> = {}) => {
  const { log, metrics } = app.app;
  return runRound({ db, log, metrics, config: readConfig({ environment: settings }) }, new AbortController().signal);
};

const count = async (table: string, where = 'true', on = db) => {
  const { rows } = await sql<{ count: number }>`
    select count(*) from ${sql.table(table)} where ${sql.raw(where)}`.execute(on);
  return rows[0]?.count ?? Number.NaN;
};

const retry = `mutation ($id: ID!) { retryBulkTaskFailures(id: $id) { task { __typename } userErrors { field code message } } }`;
const read = `query ($id: ID!) { bulkTask(id: $id) { ... on TaskProgress { counts { failed } failures { nodes { row } } timeline { state } } } }`;

async function importOne(code: string): Promise<string> {
  const response = await fetch(`${app.url}/v1/vouchers/import`, {
    method: 'POST',
    headers: { ...app.project.headers, 'content-type': 'application/json', 'idempotency-key': code },
    body: JSON.stringify([{ code, type: 'GIFT_VOUCHER', gift: { amount: 1 } }, { code: `${code} bad` }]),
  });
  const { async_action_id: id } = (await response.json()) as { async_action_id: string };
  await succeeded(app, id);
  return id;
}

test('the staged items of a task go a week after its end: it cannot be tried again, and tells all it told before', async () => {
  const id = await importOne('week');
  await age(db, id, 6);
  await round();
  expect(await count('chunks', `task_id = '${id}' and items is not null`)).toBe(1);
  const before = await ask(app, read, { id });
  await age(db, id, 2);
  await round();
  expect(await count('chunks', `task_id = '${id}' and items is not null`)).toBe(0);
  const { data } = await ask<{ retryBulkTaskFailures: object }>(app, retry, { id });
  expect(data.retryBulkTaskFailures).toEqual({
    task: null,
    userErrors: [{ field: ['id'], code: 'EXPIRED', message: expect.stringContaining('not kept any more') }],
  });
  expect((await ask(app, read, { id })).data).toEqual(before.data);
});

test('a task goes 90 days after its end, as if it had never been; what it did stays', async () => {
  const [imported, issued] = [await importOne('gone'), await issueCards(app, 60)];
  await succeeded(app, issued);
  const csv = `query ($id: ID!) { bulkTask(id: $id) { ... on BulkIssuanceTask { csvDownloadUrl } } }`;
  const { data } = await ask<{ bulkTask: { csvDownloadUrl: string } }>(app, csv, { id: issued });
  for (const id of [imported, issued]) await age(db, id, 89);
  await round();
  expect(await count('tasks', `id in ('${imported}', '${issued}')`)).toBe(2);
  for (const id of [imported, issued]) await age(db, id, 2);
  await round();
  const bearer = { authorization: await app.project.bearer() };
  const bulk = `/v2/giftcards/programs/${app.project.programId}/cards/bulk`;
  const polls = [
    fetch(`${app.url}/v1/async-actions/${imported}`, { headers: app.project.headers }),
    fetch(`${app.url}${bulk}/${issued}`, { headers: bearer }),
    fetch(data.bulkTask.csvDownloadUrl),
  ];
  expect((await Promise.all(polls)).map(({ status }) => status)).toEqual([404, 404, 404]);
  expect((await ask(app, read, { id: issued })).data).toEqual({ bulkTask: null });
  const { data: listed } = await ask(app, `{ bulkTasks { nodes { ... on TaskProgress { id } } } }`);
  expect(JSON.stringify(listed)).not.toContain(imported);
  for (const table of ['chunks', 'failures', 'task_events', 'kept_items', 'idempotency_keys']) {
    expect([table, await count(table, `task_id in ('${imported}', '${issued}')`)]).toEqual([table, 0]);
  }
  expect([await count('gift_cards'), await count('vouchers', `code = 'gone'`), await count('leftovers')]).toEqual([
    60, 1, 0,
  ]);
});

test('a task that was tried again goes before the one that tries it', async () => {
  const parent = await importOne('parent');
  await ask(app, retry, { id: parent });
  const { rows } = await sql<{ id: string }>`select id from tasks where parent_id = ${parent}`.execute(db);
  const child = rows[0]?.id ?? '';
  await succeeded(app, child);
  await age(db, parent, 91);
  await round();
  const query = `query ($id: ID!) { bulkTask(id: $id) { ... on TaskProgress { parent { id } } } }`;
  expect((await ask(app, query, { id: child })).data).toEqual({ bulkTask: { parent: null } });
});

test('a report is kept as long as its links last: no setting makes a task expire sooner', () => {
  const environment = { BULKCAST_KEEP_TASKS_DAYS: '29', BULKCAST_KEEP_KEYS_DAYS: '31' };
  expect(() => readConfig({ environment })).toThrow(/KEEP_TASKS_DAYS(.|\n)*KEEP_KEYS_DAYS/);
});

test('items that somebody reads are left for later', async () => {
  const id = await importOne('held');
  await age(db, id, 8);
  await db.transaction().execute(async (tx) => {
    await holdItems(tx, id);
    expect(await expireItems(db, 7)).toEqual({ retryable_tasks: 0 });
  });
  expect(await expireItems(db, 7)).toEqual({ retryable_tasks: 1 });
});

test('thousands of tasks go in small batches by two at a time, while others run', async () => {
  const { id: projectId } = app.project;
  await insertEndedTasks(db, { projectId, count: 3_000, daysAgo: 100, mark: 'a0' });
  await insertEndedTasks(db, { projectId, count: 1_000, daysAgo: 10, mark: 'b0' });
  const live = await issueCards(app, 150_000);
  await Promise.all([round(), round()]);
  await succeeded(app, live);
  expect(await count('tasks', `id like 'aa_a0%'`)).toBe(0);
  expect(await count('tasks', `id like 'aa_b0%'`)).toBe(1_000);
  expect(await count('chunks', `task_id like 'aa_b0%' and items is null`)).toBe(2_000);
  expect(await count('failures', `task_id like 'aa_b0%'`)).toBe(2_000);
  const orphans = `not exists (select from tasks where id = task_id)`;
  for (const table of ['chunks', 'failures', 'kept_items', 'leftovers']) {
    expect([table, await count(table, orphans)]).toEqual([table, 0]);
  }
  expect(await count('gift_cards')).toBe(150_060);
  const told = await (await fetch(`${app.url}/metrics`)).text();
  expect(
    Number(
      told
        .split('\n')
        .find((line) => line.startsWith(keys.tasks))
        ?.split(' ')[1],
    ),
  ).toBeGreaterThanOrEqual(3_000);
});

test('a worker that is killed in the middle leaves the rest to others, of whom one goes on', {
  timeout: 120_000,
}, async () => {
  const database = await createDatabase();
  const other = await startTestApp({ role: 'gateway', database });
  const on = other.app.db;
  await insertEndedTasks(on, { projectId: other.project.id, count: 6_000, daysAgo: 100, mark: 'c0' });
  const startWorker = () =>
    startServe({
      DATABASE_URL: database.url,
      REDIS_URL: inject('redisUrl'),
      BULKCAST_ROLE: 'worker',
      BULKCAST_SECRET: secret,
    });
  const first = await startWorker();
  await waitFor(async () => (await count('tasks', 'true', on)) < 6_000, { message: 'the first tasks are gone' });
  await first.kill();
  expect(await count('tasks', 'true', on)).toBeGreaterThan(0);
  const [second, third] = await Promise.all([startWorker(), startWorker()]);
  expect(await count('tasks', 'true', on)).toBeGreaterThan(0);
  await sql`update retention_rounds set next_at = now()`.execute(on);
  const isOver = async () => {
    const left = ['tasks', 'chunks', 'failures', 'leftovers', 'kept_items', 'idempotency_keys', 'task_events'];
    const counts = await Promise.all(left.map((table) => count(table, 'true', on)));
    return counts.every((rows) => rows === 0);
  };
  await waitFor(isOver, { timeoutMs: 60_000, message: 'nothing is left' });
  const tellers = [second, third].map(({ logs }) => logs.some(({ event }) => event === 'retention.expired'));
  await waitFor(() => [second, third].some(({ logs }) => logs.some(({ event }) => event === 'retention.expired')), {
    message: 'the round is logged',
  });
  expect(tellers.filter(Boolean).length).toBeLessThanOrEqual(1);
  expect([await second.stop(), await third.stop()]).toEqual([0, 0]);
});

test('every batch finds what is due by an index, among a hundred thousand tasks', { timeout: 120_000 }, async () => {
  const { id: projectId } = app.project;
  await insertEndedTasks(db, { projectId, count: 100_000, daysAgo: 1, mark: 'd0' });
  await insertEndedTasks(db, { projectId, count: 300, daysAgo: 100, mark: 'e0' });
  await sql`insert into leftovers select 'aa_e0' || lpad(to_hex(n), 16, '0'), n > 100 from generate_series(1, 300) as n`.execute(
    db,
  );
  await sql`analyze`.execute(db);
  const plans: string[] = [];
  const explaining = db.withPlugin({
    transformQuery: ({ node }) => {
      if (node.kind !== 'RawNode') throw new Error('not a statement of its own');
      const [first = '', ...rest] = node.sqlFragments;
      return { ...node, sqlFragments: [`explain ${first}`, ...rest] };
    },
    transformResult: async ({ result }) => {
      plans.push(result.rows.map((row) => row['QUERY PLAN']).join('\n'));
      return { ...result, rows: [] };
    },
  });
  await expireKeys(explaining);
  await expireItems(explaining, 7);
  await expireTasks(explaining, 90);
  await sweepLeftovers(explaining);
  expect(plans).toHaveLength(4);
  for (const plan of plans) expect(plan).not.toMatch(/Seq Scan on (tasks|chunks|failures|idempotency_keys|kept_items)/);
  expect(plans[0]).toContain('idempotency_keys_expires');
  expect(plans[1]).toContain('kept_items_ended');
  expect(plans[2]).toContain('tasks_ended');
  expect(plans[3]).toMatch(/failures_pkey/);
});
