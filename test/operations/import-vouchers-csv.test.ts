import { beforeAll, expect, test } from 'vitest';
import { csvForm, readVoucher, runAction } from '../support/actions.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';

let app: TestApp;
const path = '/v1/vouchers/importCSV';
const header =
  'Code,Voucher Type,Active,Start Date,Expiration Date,Discount Type,Value,Category,Redemption Limit,Additional Info,Region';

beforeAll(async () => {
  app = await startTestApp();
});

const importRows = (...rows: string[]) => runAction(app, path, [header, ...rows].join('\r\n'));

test('creates vouchers from the official columns; any other column is metadata', async () => {
  const { result } = await importRows(
    'C-PERCENT,DISCOUNT_VOUCHER,TRUE,2026-01-01,2026-12-31T23:59:59Z,PERCENT,15,Promo,5,"a, ""b""",EMEA',
    'C-AMOUNT,DISCOUNT_VOUCHER,false,,,AMOUNT,500,,,,',
    'C-GIFT,GIFT_VOUCHER,,,,,10000,,,,APAC',
  );
  expect(result).toEqual({
    message: '3 voucher(s) imported successfully, 0 failed.',
    done_count: 3,
    failed_count: 0,
    failed: [],
  });
  expect(await readVoucher(app, 'C-PERCENT')).toMatchObject({
    type: 'DISCOUNT_VOUCHER',
    discount: { type: 'PERCENT', percent_off: 15 },
    active: true,
    category: 'Promo',
    start_date: '2026-01-01T00:00:00.000Z',
    expiration_date: '2026-12-31T23:59:59.000Z',
    redemption: { quantity: 5 },
    additional_info: 'a, "b"',
    metadata: { Region: 'EMEA' },
  });
  expect(await readVoucher(app, 'C-AMOUNT')).toMatchObject({
    discount: { type: 'AMOUNT', amount_off: 500 },
    active: false,
    category: null,
    redemption: { quantity: null },
    metadata: {},
  });
  expect(await readVoucher(app, 'C-GIFT')).toMatchObject({ gift: { amount: 10_000, balance: 10_000 }, active: true });
});

test.each([
  ['no type', 'B1,,,,,PERCENT,10,,,,', 'Voucher Type is required'],
  ['no code', ',DISCOUNT_VOUCHER,,,,PERCENT,10,,,,', 'Code is required'],
  ['no value', 'B2,DISCOUNT_VOUCHER,,,,PERCENT,,,,,', 'Value is required'],
  ['no discount type', 'B3,DISCOUNT_VOUCHER,,,,,10,,,,', 'Discount Type is required'],
  ['a value with a unit', 'B4,GIFT_VOUCHER,,,,,12.5 EUR,,,,', "Value: must be an integer (actual value is '12.5 EUR')"],
  [
    'a date of another form',
    'B5,GIFT_VOUCHER,,31/12/2026,,,10,,,,',
    "Start Date: must be an ISO 8601 date (actual value is '31/12/2026')",
  ],
  ['a flag that is none', 'B6,GIFT_VOUCHER,yes,,,,10,,,,', "Active: must be TRUE or FALSE (actual value is 'yes')"],
  [
    'an unknown type',
    'B7,LOYALTY_CARD,,,,,10,,,,',
    "Voucher Type: must be equal to one of DISCOUNT_VOUCHER,GIFT_VOUCHER (actual value is 'LOYALTY_CARD')",
  ],
  ['NUL in a cell', 'B9,GIFT_VOUCHER,,,,,10,a\0b,,,', 'Category: must not contain NUL or half a surrogate pair'],
  ['too few cells', 'B8,GIFT_VOUCHER', 'expected 11 cells, found 2'],
])('refuses a row with %s by its number and imports the others', async (_what, row, reason) => {
  const { result } = await importRows('GOOD-1,GIFT_VOUCHER,,,,,10,,,,', row, 'GOOD-2,GIFT_VOUCHER,,,,,10,,,,');
  expect(result.failed).toEqual([{ code: row.slice(0, row.indexOf(',')), row: 2, reason }]);
  expect(result.done_count).toBe(2);
});

test('updates an existing code with the columns of the file and leaves the others as they are', async () => {
  await importRows('U-1,DISCOUNT_VOUCHER,TRUE,,,AMOUNT,500,Old,9,info,EMEA');
  await runAction(app, path, 'Code,Voucher Type,Discount Type,Value,Category\nU-1,DISCOUNT_VOUCHER,AMOUNT,700,New\n');
  expect(await readVoucher(app, 'U-1')).toMatchObject({
    discount: { type: 'AMOUNT', amount_off: 700 },
    category: 'New',
    redemption: { quantity: 9 },
    additional_info: 'info',
    metadata: { Region: 'EMEA' },
    updated_at: expect.any(String),
  });
});

test('does not change the kind of an existing voucher', async () => {
  await importRows('K-1,DISCOUNT_VOUCHER,,,,AMOUNT,500,,,,', 'K-2,DISCOUNT_VOUCHER,,,,AMOUNT,500,,,,');
  const { result } = await importRows('K-1,GIFT_VOUCHER,,,,,1,,,,', 'K-2,DISCOUNT_VOUCHER,,,,PERCENT,5,,,,');
  const reason = 'It is not possible to change Voucher discount type';
  expect(result.failed).toEqual([
    { code: 'K-1', row: 1, reason },
    { code: 'K-2', row: 2, reason },
  ]);
  expect(await readVoucher(app, 'K-1')).toMatchObject({ type: 'DISCOUNT_VOUCHER', discount: { amount_off: 500 } });
});

test('of a code that stands twice in a file the last row is written', async () => {
  const { result } = await importRows('D-1,GIFT_VOUCHER,,,,,10,,,,', 'D-1,GIFT_VOUCHER,,,,,20,,,,');
  expect(result.done_count).toBe(2);
  expect(await readVoucher(app, 'D-1')).toMatchObject({ gift: { amount: 20 } });
});

test.each([
  ['is empty', ''],
  ['has no header that fits', 'a,b\n1,2\n'],
  ['names a column twice', 'Code,Code,Voucher Type,Value\nx,y,GIFT_VOUCHER,1\n'],
  ['has a quote that never ends', `${header}\n"A,GIFT_VOUCHER\n`],
  ['has a metadata column with white space', 'Code,Voucher Type,Value,My Region\nx,GIFT_VOUCHER,1,EU\n'],
  ['has a column without a name', 'Code,Voucher Type,Value, \nx,GIFT_VOUCHER,1,EU\n'],
  ['has NUL in a column name', 'Code,Voucher Type,Value,a\0b\nx,GIFT_VOUCHER,1,EU\n'],
])('refuses a file that %s as a whole, and nothing is left of it', async (_what, text) => {
  const count = () => app.app.db.selectFrom('tasks').select('id').execute();
  const before = await count();
  const response = await fetch(`${app.url}${path}`, {
    method: 'POST',
    headers: app.project.headers,
    body: csvForm(text),
  });
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ code: 400, key: 'invalid_payload', request_id: expect.any(String) });
  expect(await count()).toEqual(before);
});

test('columns named like parts of every object are ordinary metadata', async () => {
  await runAction(app, path, 'Code,Voucher Type,Value,__proto__,constructor\nP-1,GIFT_VOUCHER,1,a,b\n');
  const { metadata } = await readVoucher(app, 'P-1');
  expect(JSON.stringify(metadata)).toBe('{"__proto__":"a","constructor":"b"}');
});
