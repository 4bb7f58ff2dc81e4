import { beforeAll, expect, test } from 'vitest';
import { runAction } from '../support/actions.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { createClient } from './client.ts';
import { type Documented, documented, misfits } from './openapi-document.ts';

/** Every query parameter that the document has is shown to change the answer, or told to be accepted. */

let app: TestApp;
let moment: string;

beforeAll(async () => {
  app = await startTestApp();
  const { call } = createClient(app);
  const create = async (path: string, body: object) => {
    const { status, text } = await call('POST', `/v1/${path}`, { body });
    expect([path, status < 300, status < 300 || text]).toEqual([path, true, true]);
  };
  const voucher = { type: 'DISCOUNT_VOUCHER', discount: { type: 'AMOUNT', amount_off: 5 } };
  const gifts = { type: 'GIFT_VOUCHER', gift: { amount: 5 } };
  await create('campaigns', { name: 'a', voucher, vouchers_count: 1, category: 'first' });
  await create('campaigns', { name: 'b', campaign_type: 'GIFT_VOUCHERS', voucher: gifts });
  for (const source_id of ['a', 'b']) {
    await create('customers', { source_id, name: source_id });
    await create('orders', { source_id });
    await create('products', { source_id, name: source_id });
    await create('products/a/skus', { source_id: `sku-${source_id}`, sku: source_id });
  }
  await runAction(app, '/v1/vouchers/import', [{ code: 'ONE', gift: { amount: 1 } }]);
  moment = new Date(Date.now() + 1).toISOString();
  await runAction(app, '/v1/vouchers/import', [{ code: 'TWO', gift: { amount: 1 }, category: 'last' }]);
  await create('products/a/skus', { source_id: 'sku-late', sku: 'late' });
});

/** Values that a list with two things and more answers in another way than without them. */
const values: Readonly<Record<string, () => string>> = {
  limit: () => '1',
  page: () => '2',
  order: () => 'created_at',
  campaign_type: () => 'GIFT_VOUCHERS',
  campaign: () => 'a',
  campaign_id: () => 'nothing',
  category: () => 'last',
  code: () => 'ONE',
  ids: () => 'ONE,TWO',
  end_date: () => moment,
  start_date: () => moment,
  'created_at[before]': () => moment,
  'created_at[after]': () => moment,
  'updated_at[before]': () => moment,
  'updated_at[after]': () => moment,
};

/** Shown elsewhere in this directory, or without an effect to show. */
const others: Readonly<Record<string, string>> = {
  'campaigns.vouchers_delete force': 'the answer is the same: whether the campaign can be found later differs',
  'delete-product force': 'accepted: what is deleted is always gone for good',
  'delete-sku force': 'accepted: what is deleted is always gone for good',
  'add-vouchers-to-campaign vouchers_count': 'openapi-walk.test.ts: 202 instead of 200',
  'bulkIssue cardId': 'accepted for the contract, and checked: below',
  'pollBulkIssuance cardId': 'issuances.test.ts',
  'watch-async-action last_event_id': 'task-events.test.ts',
  'watch-async-action access_token': 'watch-tokens.test.ts',
  'watchBulkIssuance last_event_id': 'task-events.test.ts',
  'watchBulkIssuance access_token': 'watch-tokens.test.ts',
  'download-async-action-report expires': 'openapi-walk.test.ts: 403 without it',
  'download-async-action-report signature': 'openapi-walk.test.ts: 403 without it',
  'downloadCards expires': 'openapi-walk.test.ts: 403 without it',
  'downloadCards signature': 'openapi-walk.test.ts: 403 without it',
};

const parameters = documented
  .filter(({ method }) => method !== 'HEAD')
  .flatMap((operation) =>
    (operation.parameters ?? []).flatMap((parameter) => (parameter.in === 'query' ? [{ operation, parameter }] : [])),
  )
  .map(({ operation, parameter }) => ({ name: `${operation.operationId} ${parameter.name}`, operation, parameter }));
const shown = parameters.filter(({ name }) => !(name in others));

test('every parameter that is left out here is in the document', () => {
  expect(Object.keys(others).filter((name) => !parameters.some((parameter) => parameter.name === name))).toEqual([]);
});

test.each(shown)('$name changes the answer', async ({ operation, parameter }) => {
  const { get } = createClient(app);
  const at = pathOf(operation);
  const before = await get(at);
  expect(before.status).toBe(200);
  if (parameter.name === 'filters') {
    for (const field of Object.keys(parameter.schema.properties ?? {}).filter((name) => name !== 'junction')) {
      const { status, text } = await get(`${at}?filters[${field}][conditions][$is_unknown]=&filters[junction]=OR`);
      const opposite = await get(`${at}?filters[${field}][conditions][$has_value]=`);
      expect([field, status, opposite.status, text === opposite.text]).toEqual([field, 200, 200, false]);
    }
    return;
  }
  const value = values[parameter.name]?.() ?? '';
  expect(misfits(parameter.schema, sentAs(parameter.schema, value))).toEqual([]);
  const { status, text } = await get(`${at}?${new URLSearchParams({ [parameter.name]: value })}`);
  expect([status, text === before.text]).toEqual([200, false]);
});

test('the words that a parameter can be are all taken, others refused, and bounds are bounds', async () => {
  const { get } = createClient(app);
  for (const { name, operation, parameter } of shown) {
    const { enum: words = [], minimum, maximum, format } = parameter.schema;
    const ask = async (value: unknown) => {
      const query = new URLSearchParams({ [parameter.name]: String(value) });
      return (await get(`${pathOf(operation)}?${query}`)).status;
    };
    for (const word of words) expect([name, word, await ask(word)]).toEqual([name, word, 200]);
    const isFree = words.length === 0 && minimum === undefined && format === undefined && parameter.name !== 'filters';
    expect([name, await ask('nonsense')]).toEqual([name, isFree ? 200 : 400]);
    if (minimum !== undefined) expect([await ask(minimum), await ask(minimum - 1)]).toEqual([200, 400]);
    if (maximum !== undefined) expect([await ask(maximum), await ask(maximum + 1)]).toEqual([200, 400]);
  }
});

test('a parameter that is not in the document is ignored, or refused where it would narrow a list', async () => {
  const { get, call, bulk } = createClient(app);
  for (const operation of documented.filter(({ method, path }) => method === 'GET' && isRead(path))) {
    const at = pathOf(operation);
    const [before, after] = [await get(at), await get(`${at}?nonsense=1&nonsense=2`)];
    expect([at, after.status, after.text]).toEqual([at, 200, before.text]);
  }
  for (const path of [
    '/v1/campaigns?campaign_status=DONE',
    '/v1/campaigns?is_referral_code=true',
    '/v1/vouchers?customer=x',
  ])
    expect([path, (await get(path)).status]).toEqual([path, 400]);
  const body = { initialValue: 5, count: 1 };
  expect((await call('POST', `${bulk}?cardId=${'0'.repeat(24)}&nonsense=1`, { body })).status).toBe(201);
  expect((await call('POST', `${bulk}?cardId=nonsense`, { body })).status).toBe(422);
});

function isRead(path: string): boolean {
  return path.startsWith('/v1/') && !/async-actions\/|metadata-schemas\//.test(path);
}

function pathOf({ path }: Documented): string {
  const known: Readonly<Record<string, string>> = { code: 'ONE', skuId: 'sku-a' };
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => known[name] ?? 'a');
}

function sentAs({ type }: { readonly type?: unknown }, value: string): unknown {
  if (type === 'array') return value.split(',');
  return type === 'integer' ? Number(value) : value;
}
