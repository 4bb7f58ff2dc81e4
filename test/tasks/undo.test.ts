import { sql } from 'kysely';
import { beforeAll, describe, expect, test } from 'vitest';
import { readTask } from '../../src/tasks/store.ts';
import { ask, issueCards, succeeded } from '../graphql/client.ts';
import { runAction } from '../support/actions.ts';
import { endBackoff } from '../support/backoff.ts';
import { campaignsOf } from '../support/campaigns.ts';
import { followedUp, followUp, readFailures, runImport, startImport } from '../support/dry-runs.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { waitFor } from '../support/wait.ts';

let app: TestApp;

beforeAll(async () => {
  app = await startTestApp();
});

const gift = (code: string, amount: unknown = 5) => ({ code, type: 'GIFT_VOUCHER', gift: { amount } });

const importVouchers = (...codes: string[]) =>
  runImport(
    app,
    'importVouchers',
    codes.map((code) => gift(code)),
    { field: 'vouchers', dryRun: false },
  );

const importFile = (mutation: string, ...lines: string[]) =>
  runImport(app, mutation, lines.join('\n'), { dryRun: false });

/** The keys of the records of a table that begin so, in order. */
async function keysOf(table: 'vouchers' | 'customers' | 'products' | 'skus' | 'orders', prefix: string) {
  const key = sql.ref(table === 'vouchers' ? 'code' : 'source_id');
  const { rows } = await sql<{ key: string }>`
    select ${key} as key from ${sql.table(table)} where ${key} like ${`${prefix}%`} order by 1`.execute(app.app.db);
  return rows.map((row) => row.key);
}

const shown = async (id: string) => (await readFailures(app, id)).map(({ row, key, code }) => [row, key, code]);

describe('an undo', () => {
  test('leaves a record that the database refuses to delete, and deletes the others', async () => {
    const { db } = app.app;
    await sql`create function keep_poison() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$`.execute(
      db,
    );
    await sql`create trigger keep_poison before delete on vouchers for each row when (old.code = 'poison-2')
      execute function keep_poison()`.execute(db);
    const made = await importVouchers('poison-1', 'poison-2', 'poison-3');
    const { task } = await followUp(app, 'undoBulkTask', made.id);
    const id = task?.id ?? '';
    const hasEnded = async () => {
      await endBackoff(db);
      return (await readTask(db, id))?.state === 'SUCCEEDED';
    };
    await waitFor(hasEnded, { timeoutMs: 20_000, message: 'the undo ends' });
    expect(await shown(id)).toEqual([[2, 'poison-2', 'INTERNAL_ERROR']]);
    expect(await keysOf('vouchers', 'poison-')).toEqual(['poison-2']);
  });

  test('deletes what an import made, tells what was used since, and is linked both ways', async () => {
    const made = await importVouchers('u-1', 'u-2', 'u-3', 'u-3', 'u-4');
    expect(made.counts).toMatchObject({ succeeded: 4, failed: 1 });
    // As whatever redeems vouchers would do, by our own code or another's.
    await sql`update vouchers set redeemed_amount = 1 where code = 'u-2'`.execute(app.app.db);
    const undo = await followedUp(app, 'undoBulkTask', made.id, { reason: 'wrong file' });
    expect(undo).toMatchObject({
      kind: 'UNDO',
      dryRun: false,
      state: 'SUCCEEDED',
      changeReason: 'wrong file',
      parent: { id: made.id },
      counts: { total: 5, processed: 5, succeeded: 4, failed: 1 },
      result: { message: '4 undone, 1 failed.' },
    });
    expect(await shown(undo.id)).toEqual([[2, 'u-2', 'CHANGED_SINCE']]);
    expect(await keysOf('vouchers', 'u-')).toEqual(['u-2']);
    const query = 'query ($id: ID!) { bulkTask(id: $id) { ... on TaskProgress { children { id kind } } } }';
    expect((await ask(app, query, { id: made.id })).data).toEqual({
      bulkTask: { children: [{ id: undo.id, kind: 'UNDO' }] },
    });
  });

  test('leaves what was there before, even if the file made it anew or changed it', async () => {
    await importVouchers('f-1', 'f-2');
    const file = await importFile(
      'importVouchersCsv',
      'Code,Voucher Type,Value',
      'f-1,GIFT_VOUCHER,7',
      'f-3,GIFT_VOUCHER,8',
      'f-3,GIFT_VOUCHER,9',
      'f-4,GIFT_VOUCHER,x',
    );
    const undo = await followedUp(app, 'undoBulkTask', file.id);
    expect(await shown(undo.id)).toEqual([[1, 'f-1', 'EXISTED_BEFORE']]);
    expect(await keysOf('vouchers', 'f-')).toEqual(['f-1', 'f-2']);
  });

  test('takes back what one task made and changed itself, over several chunks', async () => {
    const rows = Array.from({ length: 6_000 }, (_, row) => `own-${row % 4_000},GIFT_VOUCHER,${row}`);
    const file = await importFile('importVouchersCsv', 'Code,Voucher Type,Value', ...rows);
    await importFile('importVouchersCsv', 'Code,Voucher Type,Value', 'own-3,GIFT_VOUCHER,1');
    const undo = await followedUp(app, 'undoBulkTask', file.id);
    expect(undo.counts).toMatchObject({ total: 6_000, failed: 2 });
    expect(await shown(undo.id)).toEqual([
      [4, 'own-3', 'CHANGED_SINCE'],
      [4_004, 'own-3', 'CHANGED_SINCE'],
    ]);
    expect(await keysOf('vouchers', 'own-')).toEqual(['own-3']);
  });

  test('leaves what was deleted and made anew by somebody else', async () => {
    const made = await importVouchers('again-1', 'again-2');
    await sql`delete from vouchers where code like 'again-%'`.execute(app.app.db);
    await importVouchers('again-1');
    const undo = await followedUp(app, 'undoBulkTask', made.id);
    expect(await shown(undo.id)).toEqual([[1, 'again-1', 'CHANGED_SINCE']]);
    expect(undo.counts).toMatchObject({ succeeded: 1, failed: 1 });
  });

  test('leaves customers, products and SKUs that orders name, and products that have SKUs', async () => {
    const customers = await importFile(
      'importCustomersCsv',
      'Source_id,Name',
      'c-1,Ann',
      'c-2,Bob',
      'c-3,Eve',
      ',Nobody',
    );
    const products = await importFile('importProductsCsv', 'source_id,name', 'p-1,A', 'p-2,B', 'p-3,C', 'p-4,D');
    const skus = await importFile('importSkusCsv', 'product_id,source_id,sku', 'p-3,s-1,S', 'p-4,s-2,S');
    const item = { quantity: 1, product: { source_id: 'p-2' } };
    const variant = { quantity: 1, related_object: 'sku', source_id: 's-2' };
    const orders = [
      { source_id: 'o-1', customer: { source_id: 'c-1' }, items: [item, variant] },
      { source_id: 'o-2', referrer: { source_id: 'c-2' } },
    ];
    const { id: ordersId } = await runAction(app, '/v1/orders/import', orders);

    const noCustomers = await followedUp(app, 'undoBulkTask', customers.id);
    expect(await shown(noCustomers.id)).toEqual([
      [1, 'c-1', 'IN_USE'],
      [2, 'c-2', 'IN_USE'],
      [4, null, 'NOT_NAMED'],
    ]);
    expect(await keysOf('customers', 'c-')).toEqual(['c-1', 'c-2']);
    expect(await shown((await followedUp(app, 'undoBulkTask', skus.id)).id)).toEqual([[2, 's-2', 'IN_USE']]);
    const noProducts = await followedUp(app, 'undoBulkTask', products.id);
    expect(await shown(noProducts.id)).toEqual([
      [2, 'p-2', 'IN_USE'],
      [4, 'p-4', 'IN_USE'],
    ]);
    expect(await keysOf('products', 'p-')).toEqual(['p-2', 'p-4']);
    expect((await followedUp(app, 'undoBulkTask', ordersId)).counts).toMatchObject({ succeeded: 2, failed: 0 });
    expect(await keysOf('orders', 'o-')).toEqual([]);
  });

  test('deletes the vouchers that a campaign got', async () => {
    const campaigns = campaignsOf(app);
    const { id } = await campaigns.create('to be undone');
    const more = { campaignId: id };
    const first = await runImport(app, 'importCampaignVouchers', [{ code: 'camp-1' }, { code: 'camp-2' }], {
      field: 'vouchers',
      dryRun: false,
      more,
    });
    const file = await runImport(app, 'importCampaignVouchersCsv', 'Code,Active\ncamp-1,false\ncamp-3,true', {
      dryRun: false,
      more,
    });
    const undo = await followedUp(app, 'undoBulkTask', file.id);
    expect(await shown(undo.id)).toEqual([[1, 'camp-1', 'EXISTED_BEFORE']]);
    const other = await followedUp(app, 'undoBulkTask', first.id);
    expect(await shown(other.id)).toEqual([[1, 'camp-1', 'CHANGED_SINCE']]);
    expect(await campaigns.settled(id)).toMatchObject({ vouchers_count: 1, creation_status: 'DONE' });
  });

  test('deletes the cards of an issuance that nobody has used', async () => {
    const id = await issueCards(app, 12_000);
    await succeeded(app, id);
    await sql`
      update gift_cards set balance = 1 where id in (
        select id from gift_cards order by id offset 4 limit 1
      ) or id in (select id from gift_cards order by id offset 10999 limit 1)`.execute(app.app.db);
    const undo = await followedUp(app, 'undoBulkTask', id);
    expect(undo).toMatchObject({ kind: 'UNDO', counts: { total: 12_000, succeeded: 11_998, failed: 2 } });
    expect(await shown(undo.id)).toEqual([
      [5, null, 'IN_USE'],
      [11_000, null, 'IN_USE'],
    ]);
    const { rows } = await sql`select balance from gift_cards`.execute(app.app.db);
    expect(rows).toEqual([{ balance: '1.00' }, { balance: '1.00' }]);
    const query = `query ($id: ID!) { bulkTask(id: $id) { ... on BulkIssuanceTask {
      status issuedCount csvDownloadUrl error cards { nodes { id } } } } }`;
    const { data } = await ask<{ bulkTask: { cards: { nodes: object[] } } }>(app, query, { id: undo.id });
    expect(data.bulkTask).toMatchObject({
      status: 'COMPLETED',
      issuedCount: null,
      csvDownloadUrl: null,
      error: '2 of 12000 cards could not be taken back',
    });
    expect(data.bulkTask.cards.nodes).toHaveLength(2);
  });

  test('takes back what a canceled task has applied', async () => {
    const vouchers = Array.from({ length: 15_000 }, (_, row) => gift(`half-${row}`));
    const { task } = await startImport(app, 'importVouchers', vouchers, { field: 'vouchers', dryRun: false });
    const cancel = 'mutation ($id: ID!) { cancelBulkTask(id: $id) { userErrors { code } } }';
    await ask(app, cancel, { id: task?.id });
    const query = 'query ($id: ID!) { bulkTask(id: $id) { ... on TaskProgress { state counts { succeeded } } } }';
    const state = async () =>
      (await ask<{ bulkTask: { state: string; counts: { succeeded: number } } }>(app, query, { id: task?.id })).data
        .bulkTask;
    await expect.poll(async () => (await state()).state, { timeout: 20_000 }).toMatch(/CANCELED|SUCCEEDED/);
    const { succeeded: done } = (await state()).counts;
    const answer = await followUp(app, 'undoBulkTask', task?.id ?? '');
    if (done === 0) expect(answer.userErrors).toEqual([{ field: ['id'], code: 'NOTHING_DONE' }]);
    else {
      const undo = await followedUp(app, 'undoBulkTask', task?.id ?? '');
      expect(undo.counts).toMatchObject({ total: done, succeeded: done });
    }
    expect(await keysOf('vouchers', 'half-')).toEqual([]);
  });

  test('leaves nothing to try again, unless it was canceled', async () => {
    const retry =
      'mutation ($id: ID!) { done: retryBulkTaskFailures(id: $id) { task { ... on TaskProgress { id } } userErrors { field code message } } }';
    const tryAgain = async (id: string) =>
      (await ask<{ done: { task: object | null; userErrors: object[] } }>(app, retry, { id })).data.done;
    const made = await importVouchers('no-more-1', 'no-more-1');
    const undo = await followedUp(app, 'undoBulkTask', made.id);
    const undone = { field: ['id'], code: 'UNDONE', message: expect.stringContaining(undo.id) };
    expect(await tryAgain(made.id)).toEqual({ task: null, userErrors: [undone] });
    expect(await keysOf('vouchers', 'no-more-')).toEqual([]);

    const other = await importVouchers('more-1', 'more-1');
    const given = await followedUp(app, 'undoBulkTask', other.id);
    // As if it had been stopped before it was through.
    await sql`set session_replication_role = replica; update tasks set state = 'CANCELED' where id = '${sql.raw(given.id)}';
      set session_replication_role = origin`.execute(app.app.db);
    expect((await tryAgain(other.id)).userErrors).toEqual([]);
  });

  test('happens once, however many ask, to an ended import or issuance of the project alone', async () => {
    const made = await importVouchers('legal-1');
    const stranger = await app.createProject();
    const refusal = async (id: string, headers = app.project.headers) =>
      (await followUp(app, 'undoBulkTask', id, { headers })).userErrors.map(({ code }) => code);
    expect(await refusal(made.id, stranger.headers)).toEqual(['NOT_FOUND']);
    expect(await refusal('\0')).toEqual(['NOT_FOUND']);
    const answers = await Promise.all(Array.from({ length: 5 }, () => followUp(app, 'undoBulkTask', made.id)));
    const ids = new Set(answers.map(({ task }) => task?.id));
    expect(ids.size).toBe(1);
    const undo = await followedUp(app, 'undoBulkTask', made.id);
    expect(ids).toContain(undo.id);
    expect(await refusal(undo.id)).toEqual(['NOT_UNDOABLE']);
    const dry = await runImport(app, 'importVouchers', [gift('legal-2')], { field: 'vouchers' });
    expect(await refusal(dry.id)).toEqual(['NOT_UNDOABLE']);
    const update = await runAction(app, '/v1/vouchers/bulk/async', [{ code: 'legal-9', metadata: {} }]);
    expect(await refusal(update.id)).toEqual(['NOT_UNDOABLE']);
    const refused = await importVouchers('legal-2', 'legal-2').then(() => importVouchers('legal-2'));
    expect(await refusal(refused.id)).toEqual(['NOTHING_DONE']);
    const quiet = await startTestApp({ role: 'gateway' });
    const { task } = await startImport(quiet, 'importVouchers', [gift('q')], { field: 'vouchers', dryRun: false });
    expect((await followUp(quiet, 'undoBulkTask', task?.id ?? '')).userErrors).toEqual([
      { field: ['id'], code: 'NOT_ENDED' },
    ]);
  });
});
