import { sql } from 'kysely';
import { beforeAll, describe, expect, test } from 'vitest';
import { runImport } from '../support/dry-runs.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { waitFor } from '../support/wait.ts';
import { ask, type Headers } from './client.ts';

const mutations = ['runDryRun', 'undoBulkTask', 'retryBulkTaskFailures'] as const;
type Mutation = (typeof mutations)[number];

interface Answered {
  readonly task: { readonly id: string; readonly state: string; readonly changeReason: string | null } | null;
  readonly userErrors: readonly { readonly field: readonly string[]; readonly code: string }[];
  readonly idempotencyKeyExpiresAt: string | null;
}

/** A gateway without a worker, so that what is started stays QUEUED, on the database of one that had a worker. */
let app: TestApp;
let headers: Headers;
/** Tasks of which each is tried, undone or tried again by one test. */
const parents: Record<Mutation, string[]> = { runDryRun: [], undoBulkTask: [], retryBulkTaskFailures: [] };

beforeAll(async () => {
  const first = await startTestApp();
  let imports = 0;
  const importOne = (amount: number, dryRun: boolean) => {
    imports += 1;
    const vouchers = [1, amount].map((one, row) => ({
      code: `v-${imports}-${row}`,
      type: 'GIFT_VOUCHER',
      gift: { amount: one },
    }));
    return runImport(first, 'importVouchers', vouchers, { field: 'vouchers', dryRun });
  };
  for (let count = 0; count < 7; count += 1) {
    parents.runDryRun.push((await importOne(1, true)).id);
    parents.undoBulkTask.push((await importOne(1, false)).id);
    parents.retryBulkTaskFailures.push((await importOne(-1, false)).id);
  }
  headers = first.project.headers;
  await first.stop();
  app = await startTestApp({ role: 'gateway', database: first.database });
});

function takeParent(mutation: Mutation): string {
  const id = parents[mutation].pop();
  if (id === undefined) throw new Error(`no task is left for ${mutation}`);
  return id;
}

async function start(
  mutation: Mutation,
  variables: { readonly id: string; readonly key?: string; readonly reason?: string | null },
  as = headers,
): Promise<Answered> {
  const query = `mutation ($id: ID!, $key: String, $reason: String) {
    started: ${mutation}(id: $id, idempotencyKey: $key, reason: $reason) {
      task { ... on TaskProgress { id state changeReason } } userErrors { field code } idempotencyKeyExpiresAt } }`;
  const { data, errors } = await ask<{ started: Answered }>(app, query, variables, as);
  if (errors !== undefined) throw new Error(JSON.stringify(errors));
  return data.started;
}

async function cancel(id: string): Promise<void> {
  const query = 'mutation ($id: ID!) { cancelBulkTask(id: $id) { task { ... on TaskProgress { state } } } }';
  expect((await ask(app, query, { id }, headers)).data).toEqual({ cancelBulkTask: { task: { state: 'CANCELED' } } });
}

async function childrenOf(id: string): Promise<string[]> {
  const query = 'query ($id: ID!) { bulkTask(id: $id) { ... on TaskProgress { children { id } } } }';
  type Data = { bulkTask: { children: { id: string }[] } };
  return (await ask<Data>(app, query, { id }, headers)).data.bulkTask.children.map((child) => child.id);
}

const startsTold = (id: string) =>
  app.logs.filter(({ event, fields }) => event === 'task.started' && fields.parent === id).length;

const refused = (code: string) => ({
  task: null,
  userErrors: [{ field: ['idempotencyKey'], code }],
  idempotencyKeyExpiresAt: null,
});

describe.each(mutations)('%s with an idempotency key', (mutation) => {
  test('starts one task, even when that was canceled before the request is repeated', async () => {
    const id = takeParent(mutation);
    const first = await start(mutation, { id, key: 'once', reason: 'why' });
    expect(first).toEqual({
      task: { id: expect.any(String), state: 'QUEUED', changeReason: 'why' },
      userErrors: [],
      idempotencyKeyExpiresAt: expect.stringMatching(/^\d{4}-/),
    });
    expect(await start(mutation, { id, key: 'once', reason: 'why' })).toEqual(first);
    const child = first.task?.id ?? '';
    await cancel(child);
    const again = await start(mutation, { id, key: 'once', reason: 'why' });
    expect(again).toMatchObject({
      task: { id: child, state: 'CANCELED' },
      idempotencyKeyExpiresAt: first.idempotencyKeyExpiresAt,
    });
    expect(await childrenOf(id)).toEqual([child]);
    expect(startsTold(id)).toBe(1);
    const other = await start(mutation, { id, key: 'another', reason: 'why' });
    expect(await childrenOf(id)).toEqual([child, other.task?.id]);
  });

  test('is refused while the first request with it is still running', async () => {
    const id = takeParent(mutation);
    const { db } = app.app;
    const isWaiting = async () => {
      const { rows } = await sql`
        select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`.execute(db);
      return rows.length > 0;
    };
    const first = await db.transaction().execute(async (tx) => {
      await sql`select from tasks where id = ${id} for no key update`.execute(tx);
      const asked = start(mutation, { id, key: 'running' });
      await waitFor(isWaiting, { message: 'the first request waits for the task' });
      expect(await start(mutation, { id, key: 'running' })).toEqual(refused('IDEMPOTENCY_KEY_IN_USE'));
      return { asked };
    });
    const { task } = await first.asked;
    expect((await start(mutation, { id, key: 'running' })).task).toEqual(task);
    expect(await childrenOf(id)).toEqual([task?.id]);
  });

  test('starts one task, however many ask at the same time', async () => {
    const id = takeParent(mutation);
    const answers = await Promise.all(Array.from({ length: 5 }, () => start(mutation, { id, key: 'together' })));
    const children = await childrenOf(id);
    expect(children).toHaveLength(1);
    for (const answer of answers) {
      if (answer.task === null) expect(answer).toEqual(refused('IDEMPOTENCY_KEY_IN_USE'));
      else expect(answer.task.id).toBe(children[0]);
    }
  });

  test('is refused for another task or reason', async () => {
    const id = takeParent(mutation);
    const first = await start(mutation, { id, key: 'told', reason: null });
    for (const other of [{ id: takeParent(mutation) }, { id, reason: 'another' }, { id: 'unknown' }]) {
      expect(await start(mutation, { ...other, key: 'told' })).toEqual(refused('IDEMPOTENCY_KEY_REUSED'));
    }
    expect((await start(mutation, { id, key: 'told' })).task).toEqual(first.task);
    expect(await start(mutation, { id, key: 'x'.repeat(256) })).toEqual(refused('INVALID_IDEMPOTENCY_KEY'));
    expect((await start(mutation, { id, key: 'told' })).task).toEqual(first.task);
  });

  test('is another one for every project and mutation, and a refused request leaves none', async () => {
    const id = takeParent(mutation);
    const stranger = await app.createProject();
    const notFound = { task: null, userErrors: [{ field: ['id'], code: 'NOT_FOUND' }], idempotencyKeyExpiresAt: null };
    expect(await start(mutation, { id, key: 'shared' }, stranger.headers)).toEqual(notFound);
    expect((await start(mutation, { id, key: 'shared' })).userErrors).toEqual([]);
    expect(await start(mutation, { id, key: 'shared' }, stranger.headers)).toEqual(notFound);
    const keys = await sql`select from idempotency_keys where project_id = ${stranger.id}`.execute(app.app.db);
    expect(keys.rows).toEqual([]);
  });
});

test.each(['runDryRun', 'undoBulkTask'] as const)(
  'a key with which %s found a task that was there stands for that one',
  async (mutation) => {
    const id = takeParent(mutation);
    const { task } = await start(mutation, { id });
    const found = await start(mutation, { id, key: 'late' });
    expect(found).toEqual({ task, userErrors: [], idempotencyKeyExpiresAt: expect.any(String) });
    expect(startsTold(id)).toBe(1);
    await cancel(task?.id ?? '');
    expect((await start(mutation, { id, key: 'late' })).task).toMatchObject({ id: task?.id, state: 'CANCELED' });
    expect(await childrenOf(id)).toEqual([task?.id]);
  },
);
