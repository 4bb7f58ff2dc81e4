import { beforeAll, expect, test } from 'vitest';
import { readVoucher, runAction } from '../support/actions.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';

let app: TestApp;
const path = '/v1/vouchers/import';
const discount = { type: 'AMOUNT', amount_off: 500 };

beforeAll(async () => {
  app = await startTestApp();
});

test('creates discount and gift vouchers with all their fields', async () => {
  const vouchers = [
    {
      code: 'ALL-FIELDS',
      type: 'DISCOUNT_VOUCHER',
      discount: { type: 'PERCENT', percent_off: 12.5, amount_limit: 900, effect: 'APPLY_TO_ORDER' },
      redemption: { quantity: 3, redeemed_quantity: 2 },
      active: false,
      category: 'Promotions',
      start_date: '2026-01-01',
      expiration_date: '2026-12-31T23:59:59Z',
      validity_timeframe: { interval: 'P2D', duration: 'P1D' },
      validity_day_of_week: [0, 6],
      additional_info: 'for you',
      metadata: { region: 'EMEA', nested: { a: [1, null] } },
    },
    { code: 'GIFT 1/2', gift: { amount: 10_000, effect: 'APPLY_TO_ITEMS' } },
  ];
  const action = await runAction(app, path, vouchers);
  expect(action.result).toEqual({
    message: '2 voucher(s) imported successfully, 0 failed.',
    done_count: 2,
    failed_count: 0,
    failed: [],
  });
  expect(await readVoucher(app, 'ALL-FIELDS')).toMatchObject({
    type: 'DISCOUNT_VOUCHER',
    discount: { type: 'PERCENT', percent_off: 12.5, amount_limit: 900, effect: 'APPLY_TO_ORDER' },
    gift: null,
    redemption: { quantity: 3, redeemed_quantity: 0 },
    active: false,
    category: 'Promotions',
    start_date: '2026-01-01T00:00:00.000Z',
    expiration_date: '2026-12-31T23:59:59.000Z',
    validity_timeframe: { interval: 'P2D', duration: 'P1D' },
    validity_day_of_week: [0, 6],
    additional_info: 'for you',
    metadata: { region: 'EMEA', nested: { a: [1, null] } },
  });
  expect(await readVoucher(app, 'GIFT 1/2')).toMatchObject({
    type: 'GIFT_VOUCHER',
    gift: { amount: 10_000, balance: 10_000, effect: 'APPLY_TO_ITEMS' },
    discount: null,
    active: true,
    redemption: { quantity: null },
  });
});

test.each([
  ['no code', { discount }, "code: must be a string, property is required (actual value is 'undefined')"],
  ['a code that is no text', { code: 5, discount }, "code: must be a string (actual value is '5')"],
  ['no discount', { code: 'X1' }, "discount: must be an object, property is required (actual value is 'undefined')"],
  [
    'no amount',
    { code: 'X2', discount: { type: 'AMOUNT' } },
    "discount.amount_off: must be a number, property is required (actual value is 'undefined')",
  ],
  [
    'an amount that is text',
    { code: 'X3', discount: { type: 'AMOUNT', amount_off: 'ten' } },
    "discount.amount_off: must be a number (actual value is 'ten')",
  ],
  [
    'a negative amount',
    { code: 'X4', discount: { type: 'AMOUNT', amount_off: -1 } },
    "discount.amount_off: cannot be lower than 0 (actual value is '-1')",
  ],
  [
    'more than all',
    { code: 'X5', discount: { type: 'PERCENT', percent_off: 101 } },
    "discount.percent_off: cannot be greater than 100 (actual value is '101')",
  ],
  [
    'an unknown type',
    { code: 'X6', type: 'LOYALTY_CARD', discount },
    "type: must be equal to one of DISCOUNT_VOUCHER,GIFT_VOUCHER (actual value is 'LOYALTY_CARD')",
  ],
  [
    'a day that does not exist',
    { code: 'X7', discount, start_date: '2026-02-30' },
    "start_date: must be an ISO 8601 date (actual value is '2026-02-30')",
  ],
  [
    'a gift without amount',
    { code: 'X8', gift: {} },
    "gift.amount: must be a number, property is required (actual value is 'undefined')",
  ],
  [
    'a timeframe without start',
    { code: 'X9', discount, validity_timeframe: { interval: 'P1D', duration: 'P1D' } },
    "start_date: property is required with validity_timeframe (actual value is 'undefined')",
  ],
  [
    'NUL in its metadata',
    { code: 'X10', discount, metadata: { 'a\0': 1 } },
    'metadata: must not contain NUL or half a surrogate pair',
  ],
  [
    'half a character',
    { code: 'X11', discount, category: '\ud800' },
    'category: must not contain NUL or half a surrogate pair',
  ],
])('refuses a voucher with %s and imports the others', async (what, voucher, reason) => {
  const good = `good after ${what}`;
  const { result } = await runAction(app, path, [voucher, { code: good, discount }]);
  expect(result.failed).toEqual([{ code: 'code' in voucher ? String(voucher.code).replace(/^5$/, '') : '', reason }]);
  expect(result.done_count).toBe(1);
  expect(await readVoucher(app, good)).toMatchObject({ code: good });
});

test('refuses a code that exists, in the project or earlier in the list, and leaves the first one alone', async () => {
  await runAction(app, path, [{ code: 'TWICE', discount }]);
  const { result } = await runAction(app, path, [
    { code: 'TWICE', gift: { amount: 1 } },
    { code: 'LIST', discount },
    { code: 'LIST', gift: { amount: 1 } },
  ]);
  expect(result.done_count).toBe(1);
  expect(result.failed).toEqual([
    { code: 'TWICE', reason: 'Duplicated voucher exists with id TWICE' },
    { code: 'LIST', reason: 'Duplicated voucher exists with id LIST' },
  ]);
  for (const code of ['TWICE', 'LIST'])
    expect(await readVoucher(app, code)).toMatchObject({ type: 'DISCOUNT_VOUCHER' });
});

test('refuses a code that cannot be stored, and shows what is left of it', async () => {
  const { result } = await runAction(app, path, [
    { code: 'N\0', discount },
    { code: 'S\ud800', discount },
  ]);
  const reason = 'code: must not contain NUL or half a surrogate pair';
  expect(result.failed).toEqual([
    { code: 'N\ufffd', reason },
    { code: 'S\ufffd', reason },
  ]);
});

test('the same code may exist in two projects', async () => {
  const other = { ...app, project: await app.createProject() };
  await runAction(app, path, [{ code: 'SHARED', discount }]);
  const { result } = await runAction(other, path, [{ code: 'SHARED', gift: { amount: 1 } }]);
  expect(result.done_count).toBe(1);
  expect(await readVoucher(app, 'SHARED')).toMatchObject({ type: 'DISCOUNT_VOUCHER' });
  expect(await readVoucher(other, 'SHARED')).toMatchObject({ type: 'GIFT_VOUCHER' });
});

test('two imports of the same codes at the same time create each voucher once', async () => {
  const codes = Array.from({ length: 3000 }, (_, index) => ({ code: `RACE-${index}`, discount }));
  const [first, second] = await Promise.all([runAction(app, path, codes), runAction(app, path, codes.toReversed())]);
  expect(first.result.done_count + second.result.done_count).toBe(3000);
  expect(first.result.failed_count + second.result.failed_count).toBe(3000);
});
