import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sdk from '@voucherify/sdk';
import { beforeAll, describe, expect, test } from 'vitest';
import { atEndOfFile } from '../support/at-end.ts';
import { checkAsyncAction, checkResult } from '../support/contracts.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { waitFor } from '../support/wait.ts';
import { present } from './client.ts';

/** The official client, as it is on npm, does what the contract's section 6.2 lists and what its section 6.3 asks for. */

let app: TestApp;
let voucherify: ReturnType<typeof sdk.VoucherifyServerSide>;
let directory: string;

beforeAll(async () => {
  // The client stops at the first answer that is not IN_PROGRESS; the machine may be busy with other tests.
  app = await startTestApp({ settings: { BULKCAST_POLL_WAIT_MS: '5000' } });
  voucherify = connect(app.project.appToken);
  directory = await mkdtemp(join(tmpdir(), 'official-client-'));
  atEndOfFile(() => rm(directory, { recursive: true }));
});

function connect(secretKey: string) {
  return sdk.VoucherifyServerSide({ applicationId: app.project.appId, secretKey, apiUrl: app.url });
}

async function csvFile(name: string, ...lines: string[]): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, `${lines.join('\n')}\n`);
  return path;
}

interface Ended {
  readonly type: string;
  readonly operation_status: string;
  readonly result: { readonly done_count: number; readonly failed: readonly unknown[] };
}

/** Follows as the client's own users do: it waits while the status is IN_PROGRESS, and takes what comes then for the end. */
async function follow(started: object): Promise<Ended> {
  const id = String(Reflect.get(started, 'async_action_id'));
  expect(id).toMatch(/^aa_[0-9a-f]{18}$/);
  const action = await waitFor(
    async () => {
      const answer = await voucherify.asyncActions.get(id);
      return answer.status === 'IN_PROGRESS' ? undefined : answer;
    },
    { message: `${id} ends`, timeoutMs: 20_000 },
  );
  checkAsyncAction('AsyncActionGetResponseBody', action);
  const ended = present(action) as unknown as Ended & { status: string };
  expect(ended).toMatchObject({ status: 'DONE', operation_status: 'SUCCESS', progress: 100 });
  checkResult(ended.type, ended.result);
  return ended;
}

describe('vouchers', () => {
  test('imports, reads, lists and updates them', async () => {
    const codes = Array.from({ length: 12 }, (_, index) => `sdk ${index}`);
    const discount = { type: 'AMOUNT' as const, amount_off: 1000 };
    const started = await voucherify.vouchers.import(
      codes.map((code) => ({ code, type: 'DISCOUNT_VOUCHER' as const, discount })) as never,
    );
    expect((await follow(started)).result).toMatchObject({ done_count: 12, failed: [] });
    expect(await voucherify.vouchers.get('sdk 3')).toMatchObject({ code: 'sdk 3', discount });
    expect((await voucherify.vouchers.list({ limit: 5 })).vouchers).toHaveLength(5);
    await follow(await voucherify.vouchers.bulkUpdate([{ code: 'sdk 1', metadata: { a: 1 } }] as never));
    await follow(await voucherify.vouchers.bulkUpdateMetadata({ codes: ['sdk 1', 'sdk 2'], metadata: { b: 2 } }));
    expect(await voucherify.vouchers.get('sdk 1')).toMatchObject({ metadata: { a: 1, b: 2 } });
  });

  test('imports them from a CSV file', async () => {
    const header =
      'Code,Voucher Type,Active,Start Date,Expiration Date,Discount Type,Value,Category,Redemption Limit,Additional Info,Region';
    const path = await csvFile(
      'vouchers.csv',
      header,
      'csv 1,DISCOUNT_VOUCHER,true,2020-03-11T09:00:00.000Z,,AMOUNT,1000,Test,1,info,EMEA',
      'csv 2,,true,,,AMOUNT,1000,,,,',
    );
    const { result } = await follow(await voucherify.vouchers.importCSV(path));
    expect(result).toMatchObject({
      done_count: 1,
      failed: [{ code: 'csv 2', row: 2, reason: 'Voucher Type is required' }],
    });
    expect(await voucherify.vouchers.get('csv 1')).toMatchObject({ metadata: { Region: 'EMEA' }, active: true });
  });
});

describe('campaigns', () => {
  const minimal = (name: string) =>
    ({ name, voucher: { type: 'DISCOUNT_VOUCHER', discount: { type: 'AMOUNT', amount_off: 1000 } } }) as never;

  test('takes a CSV file with the headers of plain vouchers into a campaign with a minimal body', async () => {
    const campaign = await voucherify.campaigns.create(minimal('minimal body'));
    const path = await csvFile(
      'campaign.csv',
      'Code,Voucher Type,Value,Discount Type,Category,Start Date,Expiration Date,Redemption Limit,Redeemed Quantity,Active',
      'campaign csv 1,DISCOUNT_VOUCHER,20,PERCENT,Unknown category,2024-01-01,2099-01-01,5,0,true',
    );
    await follow(await voucherify.campaigns.importVouchersCSV(campaign.id, path));
    const { vouchers } = await voucherify.vouchers.list({ campaign_id: campaign.id } as never);
    expect(vouchers.map((voucher) => voucher.code)).toEqual(['campaign csv 1']);
  });

  test('adds one voucher at once, and more of them by an action', async () => {
    const { id } = await voucherify.campaigns.create(minimal('with vouchers'));
    expect(await voucherify.campaigns.addVoucher(id)).toMatchObject({ code: expect.any(String), campaign_id: id });
    await follow(await voucherify.campaigns.addVoucher(id, {}, { vouchers_count: 3 }));
    await follow(
      await voucherify.campaigns.importVouchers(id, [{ code: 'imported 1' }, { code: 'imported 2' }] as never),
    );
    const { vouchers } = await voucherify.vouchers.list({ campaign_id: id, limit: 100 } as never);
    expect(vouchers).toHaveLength(6);
  });

  test('a campaign of one voucher has it at once', async () => {
    const { id } = await voucherify.campaigns.create({ ...Object(minimal('of one')), vouchers_count: 1 });
    const { vouchers } = await voucherify.vouchers.list({ campaign_id: id } as never);
    expect(vouchers).toMatchObject([{ active: true }]);
  });

  test('an update to no expiration date leaves the key out, and a forced delete frees the name', async () => {
    const { id } = await voucherify.campaigns.create(minimal('to be deleted'));
    const dated = await voucherify.campaigns.update(id, { expiration_date: '2099-01-01T00:00:00Z' } as never);
    expect(dated).toHaveProperty('expiration_date');
    const settled = () =>
      waitFor(async () => Reflect.get(await voucherify.campaigns.get(id), 'creation_status') === 'DONE', {
        message: 'the update is through',
      });
    await settled();
    const undated = await voucherify.campaigns.update(id, { expiration_date: null } as never);
    expect(undated).not.toHaveProperty('expiration_date');
    await settled();
    await follow(Object(await voucherify.campaigns.delete('to be deleted', { force: true } as never)));
    await expect(voucherify.campaigns.get(id)).rejects.toMatchObject({ code: 404, key: 'not_found' });
    expect(await voucherify.campaigns.create(minimal('to be deleted'))).toMatchObject({ name: 'to be deleted' });
  });
});

describe('customers', () => {
  test('imports them from a CSV file', async () => {
    const path = await csvFile(
      'customers.csv',
      'Name,Email,Phone,Birthdate,Source_id,Address_line_1,Address_line_2,City,State,Postal_Code,Country,Description,custom',
      'John,john@example.com,+48,2000-01-01,john,Street 1,,Katowice,,40-000,Poland,nice,yes',
    );
    await follow(await voucherify.customers.importCSV(path));
    const john = await voucherify.customers.get('john');
    expect(john).toMatchObject({ name: 'John', address: { city: 'Katowice' }, metadata: { custom: 'yes' } });
  });

  test('writes nulls, and keeps what a bulk update leaves out', async () => {
    const { id } = (await voucherify.customers.create({ source_id: 'null cycle', name: 'N' })) as { id: string };
    const before = await voucherify.customers.get(id);
    expect([Reflect.get(before, 'address'), 'metadata' in before]).toEqual([null, false]);
    await follow(await voucherify.customers.updateInBulk([{ source_id: 'null cycle', metadata: { test: 123 } }]));
    expect(await voucherify.customers.get('null cycle')).toMatchObject({ name: 'N', metadata: { test: 123 } });
    await follow(
      await voucherify.customers.updateInBulk([
        { source_id: 'null cycle', address: { city: null, country: null }, metadata: { test: null } },
      ] as never),
    );
    const after = await voucherify.customers.get('null cycle');
    expect(after).toMatchObject({ address: { city: null, country: null }, metadata: { test: null } });
    await follow(
      await voucherify.customers.updateMetadataInBulk({
        source_ids: ['null cycle', 'made by it'],
        metadata: { a: true },
      }),
    );
    expect(await voucherify.customers.get('made by it')).toMatchObject({ metadata: { a: true } });
    await voucherify.customers.delete(id);
    await expect(voucherify.customers.get(id)).rejects.toMatchObject({ code: 404 });
  });
});

describe('products and SKUs', () => {
  test('creates, imports, updates and deletes them', async () => {
    const { id } = await voucherify.products.create({
      source_id: 'shirt',
      name: 'Shirt',
      price: 1000,
      attributes: ['color'],
    });
    const sku = await voucherify.products.createSku(id, { source_id: 'shirt-red', sku: 'Red', price: 1100 });
    expect(await voucherify.products.getSku('shirt-red')).toMatchObject({ id: sku.id, product_id: id });
    const products = await csvFile(
      'products.csv',
      'name,source_id,price,attributes,image_url',
      'Hat,hat,14.5,"color,size",',
    );
    await follow(await voucherify.products.importCSV(products));
    const skus = await csvFile(
      'skus.csv',
      'product_id,sku,source_id,price,attributes',
      `hat,Blue,hat-blue,17,"{'color':'blue'}"`,
    );
    await follow(await voucherify.products.importSkusCSV(skus));
    expect(await voucherify.products.get('hat')).toMatchObject({ price: 1450, attributes: ['color', 'size'] });
    expect(await voucherify.products.getSku('hat-blue')).toMatchObject({ price: 1700, attributes: { color: 'blue' } });
    await follow(await voucherify.products.bulkUpdate([{ source_id: 'hat', price: 1600 }] as never));
    await follow(await voucherify.products.bulkUpdateMetadata({ source_ids: ['hat'], metadata: { a: 1 } }));
    expect(await voucherify.products.get('hat')).toMatchObject({ name: 'Hat', price: 1600, metadata: { a: 1 } });
    await voucherify.products.deleteSku(id, sku.id);
    await voucherify.products.delete(id);
    await expect(voucherify.products.getSku(sku.id)).rejects.toMatchObject({ code: 404, resource_type: 'sku' });
    await expect(voucherify.products.get(id)).rejects.toMatchObject({ code: 404, resource_type: 'product' });
  });
});

test('creates, imports, updates, reads and lists orders', async () => {
  const created = await voucherify.orders.create({
    source_id: 'sdk order',
    amount: 100,
    customer: { source_id: 'buyer' },
  });
  expect(await voucherify.orders.get(created.id)).toMatchObject({ source_id: 'sdk order', amount: 100 });
  await voucherify.orders.update({ source_id: 'sdk order', status: 'PAID' } as never);
  await follow(await voucherify.orders.import([{ source_id: 'sdk order', amount: 200 }, { source_id: 'sdk order 2' }]));
  expect(await voucherify.orders.get('sdk order')).toMatchObject({ id: created.id, amount: 200, status: 'PAID' });
  expect(await voucherify.orders.list({ limit: 1 })).toMatchObject({ total: 2, orders: [{}] });
});

test('lists actions, tells the limits, and turns an error body into an error', async () => {
  const { async_actions } = await voucherify.asyncActions.list({ limit: 3, end_date: '2099-01-01' });
  expect(async_actions).toHaveLength(3);
  expect(async_actions.every((action) => !('result' in action))).toBe(true);
  const { apiLimitsHandler } = voucherify;
  expect([apiLimitsHandler.areLimitsAvailable(), apiLimitsHandler.getRateLimit()]).toEqual([true, 600_000]);
  expect(apiLimitsHandler.getRateLimitRemaining()).toBeLessThan(600_000);
  await expect(voucherify.asyncActions.get('aa_0')).rejects.toMatchObject({
    code: 404,
    key: 'not_found',
    message: 'Resource not found',
    details: 'Cannot find async_action with id aa_0',
    request_id: expect.stringMatching(/^v-/),
    resource_id: 'aa_0',
    resource_type: 'async_action',
  });
  await expect(connect('wrong').asyncActions.list({})).rejects.toMatchObject({ code: 401, key: 'unauthorized' });
});
