import { sql } from 'kysely';
import { beforeAll, describe, expect, test } from 'vitest';
import { ask, overWebSocket, readAll } from '../graphql/client.ts';
import { runAction } from '../support/actions.ts';
import { campaignsOf } from '../support/campaigns.ts';
import {
  endedTask,
  followedUp,
  followUp,
  readFailures,
  readOutcomes,
  runImport,
  startImport,
  type ToldTask,
} from '../support/dry-runs.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { defineMetadata } from '../support/mutations.ts';
import { createRandom } from '../support/random.ts';

let app: TestApp;

// One slot: a run then takes its chunks in their order, as a dry run does.
beforeAll(async () => {
  app = await startTestApp({ settings: { BULKCAST_WORKER_SLOTS: '1' } });
});

const tables = ['vouchers', 'campaigns', 'customers', 'products', 'skus', 'orders'] as const;

/** A digest of every record there is, and how many of each kind. */
async function readRecords(): Promise<Record<string, { digest: string; count: number }>> {
  const read = async (table: string) => {
    const { rows } = await sql<{ digest: string; count: number }>`
      select coalesce(sum(hashtextextended(r::text, 0)), 0)::text as digest, count(*) as count
      from ${sql.table(table)} as r`.execute(app.app.db);
    return [table, rows[0] ?? { digest: '', count: 0 }] as const;
  };
  return Object.fromEntries(await Promise.all(tables.map(read)));
}

/** Tries an import, then runs exactly that, and checks that the one has foretold the other. */
async function foretell(table: string, ...given: Parameters<typeof startImport>) {
  const before = await readRecords();
  const dry = await runImport(...given);
  expect(dry).toMatchObject({ state: 'SUCCEEDED', kind: 'DRY_RUN', dryRun: true, parent: null });
  expect(await readRecords()).toEqual(before);
  const outcomes = await readOutcomes(app, dry.id);
  expect(outcomes.map(({ row }) => row)).toEqual(Array.from({ length: dry.counts.total }, (_, index) => index + 1));

  const run = await followedUp(app, 'runDryRun', dry.id);
  expect(run).toMatchObject({ state: 'SUCCEEDED', kind: 'RUN', dryRun: false, parent: { id: dry.id } });
  expect(run.counts).toEqual(dry.counts);
  expect(run.outcomeCounts).toBeNull();
  const failures = await readFailures(app, run.id);
  expect(await readFailures(app, dry.id)).toEqual(failures);
  const refused = outcomes.filter(({ outcome }) => outcome === 'FAILED');
  expect(refused.map(({ row, code }) => [row, code])).toEqual(failures.map(({ row, code }) => [row, code]));
  const after = await readRecords();
  const told = Object.groupBy(outcomes, ({ outcome }) => outcome);
  const count = (outcome: string) => told[outcome]?.length ?? 0;
  expect(dry.outcomeCounts).toEqual({
    created: count('CREATED'),
    updated: count('UPDATED'),
    skipped: count('SKIPPED'),
    failed: count('FAILED'),
  });
  expect(count('CREATED')).toBe((after[table]?.count ?? 0) - (before[table]?.count ?? 0));
  expect(await app.app.db.selectFrom('dry_run_records').selectAll().execute()).toEqual([]);
  return { dry, run, outcomes, told };
}

function seeded(seed: number) {
  const next = createRandom(seed);
  const below = (limit: number) => Math.floor(next() * limit);
  return { below, oneOf: <Value>(values: readonly Value[]): Value => values[below(values.length)] as Value };
}

/** A name that often stands elsewhere too: in the same chunk, in another one, or among the records that are there. */
function nameOf(random: ReturnType<typeof seeded>, prefix: string, row: number): string {
  return random.oneOf([
    `${prefix}-${row}`,
    `${prefix}-${row}`,
    `${prefix}-${random.below(row + 1)}`,
    `${prefix}-old-${random.below(40)}`,
  ]);
}

const gift = (code: string, amount: unknown) => ({ code, type: 'GIFT_VOUCHER', gift: { amount } });

const old = (prefix: string, count = 40) => Array.from({ length: count }, (_, index) => `${prefix}-old-${index}`);

describe('a dry run foretells', () => {
  test.each([1, 2])('vouchers as JSON, seed %i', async (seed) => {
    const random = seeded(seed);
    const prefix = `json${seed}`;
    await runAction(
      app,
      '/v1/vouchers/import',
      old(prefix).map((code) => gift(code, 100)),
    );
    const vouchers = Array.from({ length: 7_000 }, (_, row) =>
      gift(nameOf(random, prefix, row), random.oneOf([1, 2, 3, -1])),
    );
    const { told } = await foretell('vouchers', app, 'importVouchers', vouchers, { field: 'vouchers' });
    expect(told.UPDATED).toBeUndefined();
    expect(told.FAILED?.length).toBeGreaterThan(1_500);
  });

  test.each([3, 4])('vouchers of a file, seed %i', async (seed) => {
    const random = seeded(seed);
    const prefix = `csv${seed}`;
    await runAction(
      app,
      '/v1/vouchers/import',
      old(prefix).map((code) => gift(code, 100)),
    );
    const lines = Array.from({ length: 11_000 }, (_, row) => {
      const code = random.below(50) === 0 ? '' : nameOf(random, prefix, row);
      const kind = random.oneOf([
        'GIFT_VOUCHER,,50',
        'GIFT_VOUCHER,,60',
        'DISCOUNT_VOUCHER,PERCENT,10',
        'GIFT_VOUCHER,,x',
      ]);
      return `${code},${kind},${random.oneOf(['a', 'b', ''])}`;
    });
    const text = ['Code,Voucher Type,Discount Type,Value,Category', ...lines].join('\n');
    const { told } = await foretell('vouchers', app, 'importVouchersCsv', text);
    expect(told.UPDATED?.length).toBeGreaterThan(100);
  });

  test('customers, named by our ids and by theirs', async () => {
    const random = seeded(5);
    await runAction(
      app,
      '/v1/customers/bulk/async',
      old('cust').map((source_id) => ({ source_id })),
    );
    const stored = await app.app.db
      .selectFrom('customers')
      .select(['id', 'source_id'])
      .where('source_id', 'like', 'cust-old-%')
      .execute();
    const lines = Array.from({ length: 4_500 }, (_, row) => {
      const known = random.oneOf(stored);
      const [id, source] = random.oneOf([
        ['', nameOf(random, 'cust', row)],
        ['', nameOf(random, 'cust', row)],
        ['', ''],
        [known.id, ''],
        [known.id, nameOf(random, 'cust', row)],
        ['cust_unknown', ''],
      ]);
      return `${id},${source},${random.oneOf(['Ann', 'Bob'])},${random.oneOf(['1990-01-01', 'never', ''])}`;
    });
    const { told } = await foretell(
      'customers',
      app,
      'importCustomersCsv',
      ['Id,Source_id,Name,Birthdate', ...lines].join('\n'),
    );
    expect(told.SKIPPED?.length).toBeGreaterThan(100);
    expect(told.UPDATED?.length).toBeGreaterThan(100);
  });

  test('products, whose metadata is required where they are new, then SKUs of them', async () => {
    const random = seeded(6);
    await runAction(
      app,
      '/v1/products/bulk/async',
      old('prod').map((source_id) => ({ source_id, name: 'A' })),
    );
    await defineMetadata(app, 'product', { color: { type: 'string', optional: false } });
    const products = Array.from({ length: 4_500 }, (_, row) => {
      const source = random.below(30) === 0 ? '' : nameOf(random, 'prod', row);
      return `${random.oneOf(['A', 'B', ''])},${source},${random.oneOf(['1.5', 'x', ''])},${random.oneOf(['red', ''])}`;
    });
    const { told } = await foretell(
      'products',
      app,
      'importProductsCsv',
      ['name,source_id,price,color', ...products].join('\n'),
    );
    expect(told.SKIPPED?.length).toBeGreaterThan(10);
    const skus = Array.from({ length: 4_500 }, (_, row) => {
      const product = `prod-old-${random.below(45)}`;
      return `${product},${nameOf(random, 'sku', row)},S,${random.oneOf(['1', '2', 'x'])}`;
    });
    await foretell('skus', app, 'importSkusCsv', ['product_id,source_id,sku,price', ...skus].join('\n'));
  });

  test('orders, with their customers and products', async () => {
    const random = seeded(7);
    const orders = Array.from({ length: 1_900 }, (_, row) => ({
      ...(random.below(20) > 0 && { source_id: nameOf(random, 'order', row) }),
      ...(random.below(50) === 0 && { id: 'ord_unknown' }),
      customer: { source_id: `buyer-${random.below(300)}`, name: random.oneOf(['Ann', 'Bob']) },
      amount: random.oneOf([100, 200]),
      items: [
        {
          product: {
            source_id: `thing-${random.below(200)}`,
            name: 'T',
            override: true,
            metadata: random.oneOf([{ color: 'red' }, { color: 'red' }, {}]),
          },
          quantity: 1,
        },
      ],
    }));
    const input = orders.map(({ items, ...order }) => ({ ...order, items }));
    const { told } = await foretell('orders', app, 'importOrders', toCamel(input) as object[], { field: 'orders' });
    expect(told.UPDATED?.length).toBeGreaterThan(100);
  });

  test('vouchers of a campaign as JSON', async () => {
    const campaigns = campaignsOf(app);
    const other = await campaigns.create('fresh');
    const vouchers = Array.from({ length: 4_500 }, (_, row) => ({
      code: `o-${row}`,
      ...(row % 10 === 0 && { redemption: { quantity: -1 } }),
    }));
    await foretell('vouchers', app, 'importCampaignVouchers', vouchers, {
      field: 'vouchers',
      more: { campaignId: other.id },
    });
    expect(await campaigns.settled(other.id)).toMatchObject({ creation_status: 'DONE' });
  });

  test('vouchers of a campaign, up to the codes that it may have', async () => {
    const campaigns = campaignsOf(app);
    const { id } = await campaigns.create('full soon');
    await sql`
      insert into vouchers (id, project_id, campaign_id, code, type, discount)
      select 'v_full' || n, ${app.project.id}::uuid, ${id}, 'full-' || n, 'DISCOUNT_VOUCHER', '{"type":"AMOUNT","amount_off":1}'
      from generate_series(1, 98500) as n`.execute(app.app.db);
    const random = seeded(8);
    const lines = Array.from(
      { length: 5_000 },
      (_, row) =>
        `${random.oneOf([`c-${row}`, `c-${random.below(row + 1)}`, `full-${row}`])},${random.oneOf(['true', 'false'])}`,
    );
    const { told } = await foretell(
      'vouchers',
      app,
      'importCampaignVouchersCsv',
      ['Code,Active', ...lines].join('\n'),
      { more: { campaignId: id } },
    );
    expect(told.FAILED?.length).toBeGreaterThan(100);
    expect((await campaigns.settled(id)).vouchers_count).toBe(100_000);
  });
});

/** `source_id` → `sourceId`, everywhere. */
function toCamel(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toCamel);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => [
      key.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()),
      toCamel(part),
    ]),
  );
}

describe('a dry run', () => {
  const vouchers = [gift('say-1', 5), gift('say-1', 6), gift('say-2', -1), gift('say-3', 7)];

  test('tells each row, in pages, and says in its result that nothing was imported', async () => {
    const dry = await runImport(app, 'importVouchers', vouchers, { field: 'vouchers' });
    expect(dry.result?.message).toBe('Dry run: 2 would be imported, 2 would fail.');
    const query = `query ($id: ID!) { bulkTask(id: $id) { ... on TaskProgress {
      outcomes(first: 2) { nodes { row key outcome code message } pageInfo { hasNextPage endCursor } } } } }`;
    const { data } = await ask(app, query, { id: dry.id });
    expect(data).toMatchObject({
      bulkTask: {
        outcomes: {
          nodes: [
            { row: 1, key: 'say-1', outcome: 'CREATED', code: null },
            {
              row: 2,
              key: 'say-1',
              outcome: 'FAILED',
              code: 'DUPLICATE',
              message: 'Duplicated voucher exists with id say-1',
            },
          ],
          pageInfo: { hasNextPage: true },
        },
      },
    });
  });

  test('counts the outcomes of as many items as each of its versions has processed', async () => {
    const vouchers = Array.from({ length: 25_000 }, (_, row) => gift(`counted-${row}`, row % 10 === 0 ? -1 : 5));
    const { task } = await startImport(app, 'importVouchers', vouchers, { field: 'vouchers' });
    const socket = overWebSocket(app);
    const pushed = await readAll<{ bulkTask: Pick<ToldTask, 'counts' | 'outcomeCounts'> }>(
      socket.subscribe(
        `subscription ($id: ID!) { bulkTask(id: $id) { ... on TaskProgress {
          counts { processed succeeded failed } outcomeCounts { created updated skipped failed } } } }`,
        { id: task?.id },
      ),
    );
    await socket.dispose();
    expect(pushed.at(-1)?.bulkTask.counts.processed).toBe(25_000);
    for (const { counts, outcomeCounts } of pushed.map(({ bulkTask }) => bulkTask)) {
      expect(outcomeCounts).toEqual({ created: counts.succeeded, updated: 0, skipped: 0, failed: counts.failed });
    }
  });

  test('has its own idempotency keys, and its failures are tried again by a dry run', async () => {
    const items = [gift('again-1', 5), gift('again-2', -1)];
    const dry = await runImport(app, 'importVouchers', items, { field: 'vouchers' });
    const retry = `mutation ($id: ID!, $corrections: [CorrectedItemInput!]) {
      retried: retryBulkTaskFailures(id: $id, corrections: $corrections) { task { ... on TaskProgress { id kind } } } }`;
    const corrections = [{ row: 2, item: gift('again-2', 6) }];
    const { data } = await ask<{ retried: { task: { id: string; kind: string } } }>(app, retry, {
      id: dry.id,
      corrections,
    });
    const { id, kind } = data.retried.task;
    expect(kind).toBe('DRY_RUN');
    expect((await endedTask(app, id)).counts).toMatchObject({ total: 1, succeeded: 1 });
    expect((await followedUp(app, 'runDryRun', id)).counts).toMatchObject({ total: 1, succeeded: 1 });
    expect((await followedUp(app, 'runDryRun', dry.id)).counts).toMatchObject({ total: 2, succeeded: 1 });

    const start = `mutation ($dryRun: Boolean, $vouchers: [VoucherInput!]!) {
      importVouchers(input: { vouchers: $vouchers }, dryRun: $dryRun, idempotencyKey: "same") { task { id } } }`;
    const begin = async (dryRun: boolean) => {
      const variables = { dryRun, vouchers: [gift('keyed', 5)] };
      return (await ask<{ importVouchers: { task: { id: string } } }>(app, start, variables)).data.importVouchers.task
        .id;
    };
    const first = await begin(true);
    expect(await begin(true)).toBe(first);
    expect(await begin(false)).not.toBe(first);
  });

  test('can be paused, resumed and canceled between its chunks, and forgets what it remembered', async () => {
    const vouchers = Array.from({ length: 18_000 }, (_, row) => gift(`steer-${row % 12_000}`, 5));
    const { task } = await startImport(app, 'importVouchers', vouchers, { field: 'vouchers' });
    const id = task?.id ?? '';
    const steer = async (mutation: string) => {
      const query = `mutation ($id: ID!) { ${mutation}(id: $id) { userErrors { code } } }`;
      await ask(app, query, { id });
    };
    await steer('pauseBulkTask');
    await steer('resumeBulkTask');
    await steer('pauseBulkTask');
    await steer('resumeBulkTask');
    const ended = await endedTask(app, id);
    expect(ended.counts).toEqual({ total: 18_000, processed: 18_000, succeeded: 12_000, failed: 6_000 });
    const other = await startImport(app, 'importVouchers', vouchers, { field: 'vouchers' });
    await ask(app, 'mutation ($id: ID!) { cancelBulkTask(id: $id) { userErrors { code } } }', { id: other.task?.id });
    expect((await endedTask(app, other.task?.id ?? '')).state).toBe('CANCELED');
    expect((await followUp(app, 'runDryRun', other.task?.id ?? '')).userErrors).toEqual([
      { field: ['id'], code: 'NOT_SUCCEEDED' },
    ]);
    const { rows } = await sql`select from dry_run_records`.execute(app.app.db);
    expect(rows).toEqual([]);
  });

  test('is run once, however many ask, by its project alone', async () => {
    const dry = await runImport(app, 'importVouchers', [gift('once', 5)], { field: 'vouchers' });
    const stranger = await app.createProject();
    expect((await followUp(app, 'runDryRun', dry.id, { headers: stranger.headers })).userErrors).toEqual([
      { field: ['id'], code: 'NOT_FOUND' },
    ]);
    const answers = await Promise.all(Array.from({ length: 5 }, () => followUp(app, 'runDryRun', dry.id)));
    expect(new Set(answers.map(({ task }) => task?.id)).size).toBe(1);
    const run = await followedUp(app, 'runDryRun', dry.id);
    expect(run).toMatchObject({ parent: { id: dry.id }, counts: { succeeded: 1 }, children: [] });
    expect((await followUp(app, 'runDryRun', run.id)).userErrors).toEqual([{ field: ['id'], code: 'NO_DRY_RUN' }]);
    const query =
      'query ($id: ID!) { bulkTask(id: $id) { ... on TaskProgress { children { id } outcomes { nodes { row } } } } }';
    expect((await ask(app, query, { id: dry.id })).data).toMatchObject({ bulkTask: { children: [{ id: run.id }] } });
    expect((await ask(app, query, { id: run.id })).data).toMatchObject({ bulkTask: { outcomes: null } });
  });

  test('cannot be run before it has SUCCEEDED, and does not stand in the list that REST clients read', async () => {
    const quiet = await startTestApp({ role: 'gateway' });
    const { task } = await startImport(quiet, 'importVouchers', vouchers, { field: 'vouchers' });
    const { userErrors } = await followUp(quiet, 'runDryRun', task?.id ?? '');
    expect(userErrors).toEqual([{ field: ['id'], code: 'NOT_SUCCEEDED' }]);
    const list = await fetch(`${quiet.url}/v1/async-actions`, { headers: quiet.project.headers });
    expect(await list.json()).toMatchObject({ async_actions: [] });
  });
});
