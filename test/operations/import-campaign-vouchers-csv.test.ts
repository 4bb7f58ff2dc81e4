import { beforeAll, expect, test } from 'vitest';
import { post } from '../graphql/client.ts';
import { csvForm, readVoucher, runAction } from '../support/actions.ts';
import { campaignsOf } from '../support/campaigns.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { defineMetadata } from '../support/mutations.ts';

let app: TestApp;
let campaigns: ReturnType<typeof campaignsOf>;

beforeAll(async () => {
  app = await startTestApp();
  campaigns = campaignsOf(app);
});

const importInto = (campaignId: string, ...lines: string[]) =>
  runAction(app, `${campaigns.path(campaignId)}/importCSV`, lines.join('\n'));

test('takes the file of an official test into a campaign in the least words', async () => {
  const { id } = await campaigns.create('Official');
  const response = await campaigns.call('POST', `${campaigns.path(id)}/importCSV`, {
    body: csvForm(
      'Code,Voucher Type,Active,Start Date,Expiration Date,Discount Type,Value,Category,Redemption Limit,Additional Info,Region\n' +
        'OFF-1,DISCOUNT_VOUCHER,TRUE,2024-01-01T00:00:00Z,2034-01-01T00:00:00Z,PERCENT,10,New Customers,1,info,Asia\n' +
        'OFF-2,GIFT_VOUCHER,,,,,abc,,x,,\n',
    ),
  });
  expect(response.status).toBe(200);
  const action = await campaigns.ended(String(response.body.async_action_id));
  expect(action).toMatchObject({
    type: 'CAMPAIGN.VOUCHERS_IMPORT_CSV',
    operation_status: 'SUCCESS',
    result: { message: '2 voucher(s) imported successfully, 0 failed.', failed: [] },
  });
  expect(await campaigns.vouchers(id)).toHaveLength(2);
  expect(await readVoucher(app, 'OFF-1')).toMatchObject({
    campaign_id: id,
    type: 'DISCOUNT_VOUCHER',
    discount: { type: 'AMOUNT', amount_off: 1000 },
    category: 'New Customers',
    start_date: '2024-01-01T00:00:00.000Z',
    additional_info: 'info',
    active: true,
    metadata: { Region: 'Asia' },
  });
});

test('reads amounts, points and what was already redeemed', async () => {
  await campaigns.create('Gifts', { voucher: { gift: { amount: 700 } } });
  await campaigns.create('Cards', { voucher: { loyalty_card: { points: 5 } } });
  const { result } = await importInto(
    'Gifts',
    'code,Gift Amount,Redeemed Amount,Redeemed Quantity,Start date',
    'G-1,500,200,3,2026-05-01',
    'G-2,,,,',
    'G-3,100,200,,',
    'G-4,abc,,,',
  );
  expect(result.failed).toEqual([
    { code: 'G-3', row: 3, reason: "Redeemed Amount: cannot be greater than the gift amount (actual value is '200')" },
    { code: 'G-4', row: 4, reason: "Gift Amount: must be an integer (actual value is 'abc')" },
  ]);
  await importInto('Cards', 'Code,Loyalty Points', 'C-1,300', 'C-2,');
  expect(await readVoucher(app, 'G-1')).toMatchObject({
    gift: { amount: 500, balance: 300 },
    redemption: { redeemed_quantity: 3 },
    start_date: '2026-05-01T00:00:00.000Z',
  });
  expect(await readVoucher(app, 'G-2')).toMatchObject({ gift: { amount: 700, balance: 700 } });
  expect(await readVoucher(app, 'C-1')).toMatchObject({ loyalty_card: { points: 300 } });
  expect(await readVoucher(app, 'C-2')).toMatchObject({ loyalty_card: { points: 5 } });
});

test('of codes that the campaign has only active and category change; those of others are refused', async () => {
  await campaigns.create('Mine');
  await campaigns.create('Other');
  await importInto('Mine', 'Code,Active,Category,Region', 'M-1,TRUE,Old,EMEA', 'M-2,TRUE,Old,EMEA');
  await importInto('Other', 'Code', 'O-1');
  const { result } = await importInto(
    'Mine',
    'Code,Active,Category,Region,Additional Info',
    'M-1,FALSE,New,APAC,info',
    'M-2,,,APAC,',
    'O-1,,,,',
    'M-3,,,,',
  );
  expect(result).toMatchObject({ done_count: 3 });
  expect(result.failed).toEqual([{ code: 'O-1', row: 3, reason: 'Duplicated voucher exists with id O-1' }]);
  expect(await readVoucher(app, 'M-1')).toMatchObject({
    active: false,
    category: 'New',
    additional_info: null,
    metadata: { Region: 'EMEA' },
  });
  expect(await readVoucher(app, 'M-2')).toMatchObject({ active: true, category: 'Old', metadata: { Region: 'EMEA' } });
});

test('new codes of an expired campaign are not active unless the file says so', async () => {
  await campaigns.create('Expired', { expiration_date: '2020-01-01' });
  await importInto('Expired', 'Code,Active', 'E-1,', 'E-2,true');
  expect(await readVoucher(app, 'E-1')).toMatchObject({ active: false });
  expect(await readVoucher(app, 'E-2')).toMatchObject({ active: true });
});

test('of thousands of rows the bad ones are refused by number; schema-defined metadata has its type', async () => {
  await defineMetadata(app, 'campaign', {
    Size: { type: 'number', optional: true },
    Tags: { type: 'string', array: true, optional: true },
  });
  const { id } = await campaigns.create('Thousands');
  const rows = Array.from({ length: 6000 }, (_, index) => `R-${index},${index % 1500 === 3 ? 'big' : index},"a,b"`);
  const { result } = await importInto(id, 'Code,Size,Tags', ...rows, ',1,', 'R-1,5,');
  expect(result).toMatchObject({ done_count: 5997, failed_count: 5 });
  expect(result.failed[0]).toEqual({ code: 'R-3', row: 4, reason: "Size: must be a number (actual value is 'big')" });
  expect(result.failed.at(-1)).toEqual({ code: '', row: 6001, reason: 'Code is required' });
  expect(await readVoucher(app, 'R-77')).toMatchObject({ metadata: { Size: 77, Tags: ['a', 'b'] } });
});

test('refuses an unknown campaign, a form without a file and a file without codes', async () => {
  const send = (idOrName: string, body: FormData) =>
    campaigns.call('POST', `${campaigns.path(idOrName)}/importCSV`, { body });
  expect(await send('nobody', csvForm('Code\nX\n'))).toMatchObject({ status: 404, body: { resource_id: 'nobody' } });
  await campaigns.create('Forms');
  const empty = new FormData();
  empty.set('other', 'x');
  expect(await send('Forms', empty)).toMatchObject({ status: 400, body: { key: 'invalid_payload' } });
  expect(await send('Forms', csvForm('Name\nX\n'))).toMatchObject({ status: 400, body: { key: 'invalid_payload' } });
});

test('imports by GraphQL', async () => {
  const { id } = await campaigns.create('GraphQL');
  const query = `mutation ($file: File!, $campaignId: ID!) {
    start: importCampaignVouchersCsv(input: { file: $file, campaignId: $campaignId }) { task { id } userErrors { code } }
  }`;
  const form = new FormData();
  form.set('operations', JSON.stringify({ query, variables: { file: null, campaignId: id } }));
  form.set('map', '{"0":["variables.file"]}');
  form.set('0', new Blob(['Code\nQ-1\nQ-2\n']), 'rows.csv');
  const { data } = await post<{ start: { task: { id: string } } }>(app, form, app.project.headers);
  expect((await campaigns.ended(String(data?.start.task.id))).result).toMatchObject({ done_count: 2 });
});
