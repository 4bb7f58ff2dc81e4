import { beforeAll, expect, test } from 'vitest';
import type { Voucher } from '../../src/rest/async-action/shapes.ts';
import { checkAsyncAction } from '../support/contracts.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { type Client, createClient } from './client.ts';

let app: TestApp;
let client: Client;

const odd = ['10% off/spring', 'ÄÖÜ 🎁 ñ', 'a+b&c=d?e#f', '100%25', '..', 'import', '"quoted"', "it's; x"];

beforeAll(async () => {
  app = await startTestApp();
  client = createClient(app);
  const { body } = await client.post<{ async_action_id: string }>('/v1/vouchers/import', [
    { code: 'GIFT', type: 'GIFT_VOUCHER', gift: { amount: 5000, effect: 'APPLY_TO_ITEMS' } },
    {
      code: 'DISCOUNT',
      type: 'DISCOUNT_VOUCHER',
      discount: { type: 'PERCENT', percent_off: 12.5, amount_limit: 1000, effect: 'APPLY_TO_ORDER' },
      redemption: { quantity: 3 },
      active: false,
      category: 'Spring',
      start_date: '2026-01-01',
      expiration_date: '2026-12-31T23:59:59.999Z',
      validity_timeframe: { interval: 'P7D', duration: 'P1D' },
      validity_day_of_week: [1, 5],
      additional_info: 'Only on Mondays and Fridays',
      metadata: { unit: 'EUR', nested: { deep: [1, null] } },
    },
    ...odd.map((code) => ({ code, gift: { amount: 1 } })),
  ]);
  expect((await client.ended(body.async_action_id)).result).toMatchObject({ failed: [] });
});

const empty = {
  campaign: null,
  campaign_id: null,
  category: null,
  category_id: null,
  categories: [],
  discount: null,
  gift: null,
  loyalty_card: null,
  start_date: null,
  expiration_date: null,
  validity_timeframe: null,
  validity_day_of_week: null,
  active: true,
  additional_info: null,
  metadata: {},
  assets: { qr: { id: null, url: null }, barcode: { id: null, url: null } },
  is_referral_code: false,
  updated_at: null,
  validation_rules_assignments: { object: 'list', data_ref: 'data', data: [], total: 0 },
  object: 'voucher',
};

test('tells a gift voucher with an explicit null for all that is not set', async () => {
  const { status, body } = await client.get<Voucher>('/v1/vouchers/GIFT');
  expect(status).toBe(200);
  checkAsyncAction('VouchersGetResponseBody', body);
  expect(body).toEqual({
    ...empty,
    id: expect.stringMatching(/^v_[0-9a-zA-Z]{32}$/),
    code: 'GIFT',
    type: 'GIFT_VOUCHER',
    gift: { amount: 5000, balance: 5000, subtracted_amount: 0, effect: 'APPLY_TO_ITEMS' },
    created_at: expect.stringMatching(/Z$/),
    publish: { object: 'list', count: 0, url: '/v1/vouchers/GIFT/publications?page=1&limit=10' },
    redemption: {
      quantity: null,
      redeemed_quantity: 0,
      object: 'list',
      url: '/v1/vouchers/GIFT/redemptions?page=1&limit=10',
    },
  });
});

test('tells a discount voucher with all that was imported', async () => {
  const { body } = await client.get<Voucher>('/v1/vouchers/DISCOUNT');
  checkAsyncAction('VouchersGetResponseBody', body);
  expect(body).toMatchObject({
    type: 'DISCOUNT_VOUCHER',
    discount: { type: 'PERCENT', percent_off: 12.5, amount_limit: 1000, effect: 'APPLY_TO_ORDER', is_dynamic: false },
    gift: null,
    redemption: { quantity: 3 },
    active: false,
    category: 'Spring',
    start_date: '2026-01-01T00:00:00.000Z',
    expiration_date: '2026-12-31T23:59:59.999Z',
    validity_timeframe: { interval: 'P7D', duration: 'P1D' },
    validity_day_of_week: [1, 5],
    additional_info: 'Only on Mondays and Fridays',
    metadata: { unit: 'EUR', nested: { deep: [1, null] } },
  });
});

test('finds a voucher by its id', async () => {
  const { body } = await client.get<Voucher>('/v1/vouchers/GIFT');
  expect((await client.get<Voucher>(`/v1/vouchers/${body.id}`)).body).toEqual(body);
});

test.each(odd)('finds the code %j', async (code) => {
  // fetch would resolve a segment of two dots, however it is written.
  const path = code === '..' ? await idOf(code) : encodeURIComponent(code);
  const { status, body } = await client.get<Voucher>(`/v1/vouchers/${path}`);
  expect([status, body.code]).toEqual([200, code]);
  expect(body.redemption.url).toBe(`/v1/vouchers/${encodeURIComponent(code)}/redemptions?page=1&limit=10`);
});

test.each(['nothing', 'gift', 'GIFT%00', 'GIFT%2F', 'x'.repeat(400)])('answers 404 to the code %s', async (code) => {
  const { status, body, headers } = await client.get(`/v1/vouchers/${code}`);
  expect(status).toBe(404);
  checkAsyncAction('Error', body);
  expect(body).toEqual({
    code: 404,
    key: 'not_found',
    message: 'Resource not found',
    details: `Cannot find voucher with id ${decodeURIComponent(code)}`,
    request_id: headers.get('x-request-id'),
    resource_id: decodeURIComponent(code),
    resource_type: 'voucher',
  });
});

async function idOf(code: string): Promise<string> {
  const row = await app.app.db.selectFrom('vouchers').select('id').where('code', '=', code).executeTakeFirstOrThrow();
  return row.id;
}
