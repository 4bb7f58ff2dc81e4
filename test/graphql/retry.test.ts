import { sql } from 'kysely';
import { beforeAll, describe, expect, test } from 'vitest';
import { runCsvMutation } from '../support/csv-mutation.ts';
import { followedUp, runImport } from '../support/dry-runs.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { ask, importVouchers, issueCards, succeeded } from './client.ts';

interface Retried {
  readonly retried: {
    readonly task: { readonly id: string; readonly counts: object } | null;
    readonly userErrors: readonly object[];
  };
}

const retry = `mutation ($id: ID!, $corrections: [CorrectedItemInput!], $key: String, $reason: String) {
  retried: retryBulkTaskFailures(id: $id, corrections: $corrections, idempotencyKey: $key, reason: $reason) {
    task { ... on TaskProgress { id parent { id } counts { total } } } userErrors { field code } } }`;

let app: TestApp;

beforeAll(async () => {
  app = await startTestApp();
});

const tryAgain = async (id: string, variables: object = {}, headers = app.project.headers) =>
  (await ask<Retried>(app, retry, { id, ...variables }, headers)).data.retried;

/** An import of vouchers of which the rows 2 and 4 are refused, over two chunks. */
async function importSome(prefix: string): Promise<string> {
  const voucher = (code: string) => ({
    code,
    type: 'DISCOUNT_VOUCHER',
    discount: { type: 'PERCENT', percent_off: 10 },
  });
  const vouchers = ['a', 'b', 'c', 'd', 'e'].map((name, index) => ({
    ...voucher(`${prefix}-${name}`),
    ...(index % 2 === 1 && { type: 'GIFT_VOUCHER', discount: undefined }),
  }));
  const response = await fetch(`${app.url}/v1/vouchers/import`, {
    method: 'POST',
    headers: { ...app.project.headers, 'content-type': 'application/json', 'x-task-priority': 'HIGH' },
    body: JSON.stringify(vouchers),
  });
  const { async_action_id: id } = (await response.json()) as { async_action_id: string };
  await succeeded(app, id);
  return id;
}

async function read(id: string) {
  const query = `query ($id: ID!) { bulkTask(id: $id) { ... on TaskProgress { state priority counts { succeeded failed }
    parent { id } children { id } failures { nodes { row key } } } } }`;
  return (await ask<{ bulkTask: object }>(app, query, { id })).data.bulkTask;
}

test('the failed items make a task of their own, some of them corrected, and the two are linked', async () => {
  const id = await importSome('one');
  expect(await read(id)).toMatchObject({ counts: { succeeded: 3, failed: 2 }, parent: null, children: [] });
  const item = { code: 'one-b', type: 'DISCOUNT_VOUCHER', discount: { type: 'PERCENT', percent_off: 5 } };
  const { task, userErrors } = await tryAgain(id, { corrections: [{ row: 2, item }] });
  expect([task, userErrors]).toMatchObject([{ parent: { id }, counts: { total: 2 } }, []]);
  const child = task?.id ?? '';
  await succeeded(app, child);
  expect(await read(child)).toMatchObject({
    counts: { succeeded: 1, failed: 1 },
    priority: 'HIGH',
    parent: { id },
    failures: { nodes: [{ row: 2, key: 'one-d' }] },
  });
  expect(await read(id)).toMatchObject({ children: [{ id: child }] });
  expect(await tryAgain(id)).toMatchObject({ task: null, userErrors: [{ field: ['id'], code: 'ALREADY_RETRIED' }] });
  expect((await tryAgain(child)).task?.counts).toEqual({ total: 1 });
});

test('a second try tells who asked for it and why', async () => {
  const id = await importSome('why');
  expect(await tryAgain(id, { reason: 'x'.repeat(1_001) })).toEqual({
    task: null,
    userErrors: [{ field: ['reason'], code: 'INVALID' }],
  });
  const { task } = await tryAgain(id, { reason: 'mended upstream' });
  const query = `query ($id: ID!) { bulkTask(id: $id) { ... on TaskProgress {
    changedBy changeReason timeline { state actor reason } } } }`;
  const { data } = await ask<{ bulkTask: { timeline: object[] } }>(app, query, { id: task?.id });
  expect(data).toMatchObject({ bulkTask: { changedBy: app.project.appId, changeReason: 'mended upstream' } });
  expect(data.bulkTask.timeline[0]).toEqual({
    state: 'QUEUED',
    actor: app.project.appId,
    reason: 'mended upstream',
  });
});

test('the same key gives the same task, with other corrections it is refused', async () => {
  const id = await importSome('two');
  const first = await tryAgain(id, { key: 'again' });
  expect(first.task).not.toBeNull();
  expect((await tryAgain(id, { key: 'again' })).task?.id).toBe(first.task?.id);
  const expiry = `mutation ($id: ID!) { retryBulkTaskFailures(id: $id, idempotencyKey: "again") { idempotencyKeyExpiresAt } }`;
  expect((await ask(app, expiry, { id })).data).toEqual({
    retryBulkTaskFailures: { idempotencyKeyExpiresAt: expect.stringMatching(/^\d{4}-/) },
  });
  const corrections = [{ row: 2, item: {} }];
  expect((await tryAgain(id, { key: 'again', corrections })).userErrors).toEqual([
    { field: ['idempotencyKey'], code: 'IDEMPOTENCY_KEY_REUSED' },
  ]);
});

test('of several requests at the same time one starts a task', async () => {
  const id = await importSome('three');
  // One item succeeds: a task of which nothing did would stand in nobody's way once it has ended.
  const item = { code: 'three-b', type: 'DISCOUNT_VOUCHER', discount: { type: 'PERCENT', percent_off: 5 } };
  const corrections = [{ row: 2, item }];
  const answers = await Promise.all(Array.from({ length: 5 }, () => tryAgain(id, { corrections })));
  expect(answers.filter(({ task }) => task !== null)).toHaveLength(1);
});

test.each([
  ['a row that has not failed', [{ row: 1, item: {} }], ['corrections', '0', 'row'], 'NO_FAILURE'],
  ['a row that stands twice', [2, 2].map((row) => ({ row, item: {} })), ['corrections', '1', 'row'], 'STANDS_TWICE'],
  ['an item of another kind', [{ row: 4, item: 'x' }], ['corrections', '0', 'item'], 'INVALID'],
  ['a text with NUL', [{ row: 4, item: { code: '\0' } }], ['corrections', '0', 'item'], 'INVALID'],
])('corrections with %s are refused', async (what, corrections, field, code) => {
  const id = await importSome(`bad ${what}`.slice(0, 40));
  expect(await tryAgain(id, { corrections })).toEqual({ task: null, userErrors: [{ field, code }] });
});

test('a correction of a CSV row that is no list of texts is refused', async () => {
  const file = 'Code,Voucher Type,Discount Type,Value\nCELLS,,PERCENT,10\n';
  const { id } = await runCsvMutation(app, 'importVouchersCsv', file);
  for (const item of [[1, {}, null, true], {}, 'x']) {
    expect(await tryAgain(id, { corrections: [{ row: 1, item }] })).toEqual({
      task: null,
      userErrors: [{ field: ['corrections', '0', 'item'], code: 'INVALID' }],
    });
  }
  const item = ['CELLS', 'DISCOUNT_VOUCHER', 'PERCENT', '10'];
  const { task } = await tryAgain(id, { corrections: [{ row: 1, item }] });
  const child = task?.id ?? '';
  await succeeded(app, child);
  expect(await read(child)).toMatchObject({ counts: { succeeded: 1, failed: 0 } });
});

test('a task without failures, one that runs, and another project’s are refused', async () => {
  const good = await issueCards(app, 10);
  await succeeded(app, good);
  expect((await tryAgain(good)).userErrors).toEqual([{ field: ['id'], code: 'NO_FAILURES' }]);
  const quiet = await startTestApp({ role: 'gateway' });
  const queued = await importVouchers(quiet, [{ code: 'X', type: 'GIFT_VOUCHER' }]);
  const { data } = await ask<Retried>(quiet, retry, { id: queued });
  expect(data.retried.userErrors).toEqual([{ field: ['id'], code: 'NOT_ENDED' }]);
  const id = await importSome('four');
  const stranger = await app.createProject();
  expect((await tryAgain(id, {}, stranger.headers)).userErrors).toEqual([{ field: ['id'], code: 'NOT_FOUND' }]);
});

test('cards of the second try get ids of their own', async () => {
  const input = {
    programId: app.project.programId,
    initialValue: '5.00',
    recipients: [{ customerEmail: 'good@example.com' }, { customerEmail: 'not an address' }],
  };
  const start = `mutation ($input: IssueGiftCardsInput!) { issueGiftCards(input: $input) { task { id } } }`;
  const { data } = await ask<{ issueGiftCards: { task: { id: string } } }>(app, start, { input });
  const { id } = data.issueGiftCards.task;
  await succeeded(app, id);
  const corrections = [{ row: 2, item: { customerEmail: 'mended@example.com' } }];
  const { task } = await tryAgain(id, { corrections });
  await succeeded(app, task?.id ?? '');
  expect(await read(task?.id ?? '')).toMatchObject({ counts: { succeeded: 1, failed: 0 } });
  const { rows } = await sql`select customer_email from gift_cards where customer_email like '%@example.com'
    order by customer_email`.execute(app.app.db);
  expect(rows).toEqual([{ customer_email: 'good@example.com' }, { customer_email: 'mended@example.com' }]);
});

describe('the original row of a failure', () => {
  interface Listed {
    readonly row: number;
    readonly originalRow: number | null;
    readonly key: string;
  }
  interface Page {
    readonly nodes: readonly Listed[];
    readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
  }

  async function readPage(id: string, first = 1_000, after: string | null = null): Promise<Page> {
    const query = `query ($id: ID!, $first: Int, $after: String) { bulkTask(id: $id) { ... on TaskProgress {
      failures(first: $first, after: $after) { nodes { row originalRow key } pageInfo { hasNextPage endCursor } } } } }`;
    const { data } = await ask<{ bulkTask: { failures: Page } }>(app, query, { id, first, after });
    return data.bulkTask.failures;
  }

  const readAll = async (id: string, first?: number) => {
    const nodes: Listed[] = [];
    for (let page = await readPage(id, first); ; page = await readPage(id, first, page.pageInfo.endCursor)) {
      nodes.push(...page.nodes);
      if (!page.pageInfo.hasNextPage) return nodes;
    }
  };

  const voucher = (code: string, amount: number) => ({ code, type: 'GIFT_VOUCHER', gift: { amount } });

  /** Codes tell the row; every third is refused. */
  const importMany = (prefix: string, dryRun = false) => {
    const vouchers = Array.from({ length: 30 }, (_, index) =>
      voucher(`${prefix}-${index + 1}`, index % 3 === 2 ? -1 : 1),
    );
    return runImport(app, 'importVouchers', vouchers, { field: 'vouchers', dryRun });
  };

  const retried = async (id: string, ...rows: number[]) => {
    const corrections = rows.map((row) => ({ row, item: voucher(`mended-${id}-${row}`, 1) }));
    const child = (await tryAgain(id, { corrections })).task?.id ?? '';
    await succeeded(app, child);
    return child;
  };

  /** Of the keys that are to be listed: the number in each is the row. */
  const rowsIn = (failures: readonly Listed[]) => failures.map(({ key }) => Number(key.split('-').at(-1)));

  test('is that of the item in the task that is tried again, page by page', async () => {
    const { id } = await importMany('origin');
    const all = await readAll(id);
    expect(all.map(({ row, originalRow }) => [row, originalRow])).toEqual(rowsIn(all).map((row) => [row, null]));
    const child = await retried(id, 3, 12, 15, 30);
    for (const size of [1, 2, 4, 1_000]) {
      const failures = await readAll(child, size);
      expect(failures.map(({ row }) => row)).toEqual([2, 3, 6, 7, 8, 9]);
      expect(failures.map(({ originalRow }) => originalRow)).toEqual([6, 9, 18, 21, 24, 27]);
      expect(rowsIn(failures)).toEqual([6, 9, 18, 21, 24, 27]);
    }
    const grandchild = await retried(child, 6);
    expect(await readAll(grandchild, 2)).toMatchObject(
      [2, 3, 7, 8, 9].map((originalRow, index) => ({ row: [1, 2, 4, 5, 6][index], originalRow })),
    );
  });

  test('is told after a cursor that knows none, and is null once the first task is gone', async () => {
    const { id } = await importMany('gone');
    const child = await retried(id, 3);
    const plain = Buffer.from('row:4').toString('base64url');
    expect((await readPage(child, 2, plain)).nodes).toMatchObject([
      { row: 5, originalRow: 15 },
      { row: 6, originalRow: 18 },
    ]);
    const { endCursor } = (await readPage(child, 3)).pageInfo;
    await sql`delete from tasks where id = ${id}`.execute(app.app.db);
    expect((await readPage(child, 2, endCursor)).nodes).toMatchObject([
      { row: 5, originalRow: null },
      { row: 6, originalRow: null },
    ]);
    expect((await readAll(child)).map(({ row }) => row)).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  test('is null where the rows are those of the parent: of a dry run that is run, and of an undo', async () => {
    const dry = await importMany('dry', true);
    const again = await retried(dry.id, 3);
    expect((await readPage(again, 1)).nodes).toMatchObject([{ row: 2, originalRow: 6 }]);
    const run = await followedUp(app, 'runDryRun', dry.id);
    const failures = await readAll(run.id);
    expect(failures.map(({ row, originalRow }) => [row, originalRow])).toEqual(
      rowsIn(failures).map((row) => [row, null]),
    );
    expect(failures).toHaveLength(10);
    await sql`update vouchers set redeemed_amount = 1 where code = 'dry-2'`.execute(app.app.db);
    const undo = await followedUp(app, 'undoBulkTask', run.id);
    expect(await readAll(undo.id)).toEqual([{ row: 2, originalRow: null, key: 'dry-2' }]);
  });
});
