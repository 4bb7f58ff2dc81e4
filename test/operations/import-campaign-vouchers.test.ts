import { beforeAll, expect, test } from 'vitest';
import { readVoucher, runAction } from '../support/actions.ts';
import { campaignsOf, minimalVoucher, mutate } from '../support/campaigns.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { defineMetadata } from '../support/mutations.ts';

let app: TestApp;
let campaigns: ReturnType<typeof campaignsOf>;

beforeAll(async () => {
  app = await startTestApp();
  campaigns = campaignsOf(app);
});

const importInto = (campaignId: string, vouchers: unknown) =>
  runAction(app, `${campaigns.path(campaignId)}/import`, vouchers);
const refused = (campaignId: string, body?: unknown) =>
  campaigns.call('POST', `${campaigns.path(campaignId)}/import`, { body });

test('creates vouchers with what the campaign gives, by its id or name, and what each says for itself', async () => {
  const { id } = await campaigns.create('Import me', {
    category: 'Spring',
    expiration_date: '2036-01-01T00:00:00Z',
    metadata: { season: 'spring', kept: 1 },
    voucher: { ...minimalVoucher, redemption: { quantity: 9 } },
  });
  await importInto(id, [{ code: 'PLAIN' }]);
  const { result } = await importInto('Import me', [
    {
      code: 'CODE7',
      category: 'First',
      redemption: { quantity: 1 },
      metadata: { season: 'fall' },
      additional_info: 'secret-code1',
      active: false,
      expiration_date: '2037-01-01',
      validity_day_of_week: [1, 2],
    },
  ]);
  expect(result).toEqual({
    message: '1 voucher(s) imported successfully, 0 failed.',
    failed: [],
    done_count: 1,
    failed_count: 0,
  });
  expect(await readVoucher(app, 'PLAIN')).toMatchObject({
    campaign: 'Import me',
    campaign_id: id,
    category: 'Spring',
    discount: { type: 'AMOUNT', amount_off: 1000 },
    expiration_date: '2036-01-01T00:00:00.000Z',
    redemption: { quantity: 9 },
    active: true,
    metadata: { season: 'spring', kept: 1 },
  });
  expect(await readVoucher(app, 'CODE7')).toMatchObject({
    category: 'First',
    expiration_date: '2037-01-01T00:00:00.000Z',
    validity_day_of_week: [1, 2],
    redemption: { quantity: 1 },
    additional_info: 'secret-code1',
    active: false,
    metadata: { season: 'fall', kept: 1 },
  });
});

test('creates gift vouchers and loyalty cards with the amount of the item or of the campaign', async () => {
  const gifts = await campaigns.create('Gifts', { voucher: { gift: { amount: 700, effect: 'APPLY_TO_ITEMS' } } });
  const cards = await campaigns.create('Cards', { voucher: { loyalty_card: { points: 5 } } });
  expect([gifts.campaign_type, cards.campaign_type]).toEqual(['GIFT_VOUCHERS', 'LOYALTY_PROGRAM']);
  await importInto('Gifts', [{ code: 'CODE13', gift: { amount: 500 } }, { code: 'CODE15' }]);
  await importInto('Cards', [{ code: 'CODE10', loyalty_card: { points: 300 } }, { code: 'CODE12' }]);
  expect(await readVoucher(app, 'CODE13')).toMatchObject({
    gift: { amount: 500, balance: 500, effect: 'APPLY_TO_ITEMS' },
  });
  expect(await readVoucher(app, 'CODE15')).toMatchObject({ type: 'GIFT_VOUCHER', gift: { amount: 700 } });
  expect(await readVoucher(app, 'CODE10')).toMatchObject({ type: 'LOYALTY_CARD', loyalty_card: { points: 300 } });
  expect(await readVoucher(app, 'CODE12')).toMatchObject({ loyalty_card: { points: 5 } });
});

test('of thousands of vouchers the bad ones are refused and the others created', async () => {
  await defineMetadata(app, 'campaign', { unit: { type: 'number', eq: [1, 2], optional: true } });
  const { id } = await campaigns.create('Thousands');
  const vouchers = Array.from({ length: 5000 }, (_, index) => ({
    code: `T-${index}`,
    metadata: { unit: index % 1000 === 7 ? 'EUR' : 1 },
    ...(index === 4999 ? { start_date: '31.12.2026' } : {}),
  }));
  const { result } = await importInto(id, vouchers);
  expect(result).toMatchObject({ done_count: 4994, failed_count: 6 });
  expect(result.failed[0]).toEqual({
    code: 'T-7',
    reason: "unit: must be a number, must be equal to one of 1,2 (actual value is 'EUR')",
  });
  expect(result.failed[5]).toEqual({
    code: 'T-4999',
    reason: "start_date: must be an ISO 8601 date (actual value is '31.12.2026')",
  });
  expect(await campaigns.read(id)).toMatchObject({ vouchers_count: 4994 });
});

test('checks metadata against the voucher schema in a campaign that says so', async () => {
  await defineMetadata(app, 'voucher', { size: { type: 'string', optional: true } });
  await campaigns.create('Schema', { use_voucher_metadata_schema: true });
  const { result } = await importInto('Schema', [
    { code: 'S-1', metadata: { size: 5, unit: 'EUR' } },
    { code: 'S-2', metadata: { size: 'L', unit: 'EUR' } },
  ]);
  expect(result.failed).toEqual([{ code: 'S-1', reason: "size: must be a string (actual value is '5')" }]);
});

test('refuses the whole request when a code exists, stands twice or is missing, or a quantity is no number', async () => {
  await campaigns.create('Refusals');
  await importInto('Refusals', [{ code: 'R-1' }, { code: 'R-2' }]);
  expect(await refused('Refusals', [{ code: 'R-1' }, { code: 'R-2' }, { code: 'R-3' }])).toMatchObject({
    status: 400,
    body: { key: 'duplicate_key', message: 'Duplicate codes', details: '2 voucher codes(s) already exist.' },
  });
  expect(await refused('Refusals', [{ code: 'R-4' }, { code: 'R-4' }])).toMatchObject({
    status: 400,
    body: { key: 'duplicate_key', details: '1 voucher codes(s) already exist.' },
  });
  expect(await refused('Refusals', [{ code: 'R-5' }, { category: 'x' }])).toMatchObject({
    status: 400,
    body: {
      key: 'invalid_voucher',
      message: 'Invalid Voucher',
      details: "Found 1 voucher(s) without 'code' value",
    },
  });
  expect(await refused('Refusals', [{ code: 'R-6', redemption: { quantity: 'x' } }])).toMatchObject({
    status: 400,
    body: { key: 'invalid_payload', details: 'Property .redemption.quantity should be number,null' },
  });
  expect(await refused('Refusals', { code: 'R-7' })).toMatchObject({ status: 400, body: { key: 'invalid_payload' } });
  expect(await refused('nobody', [{ code: 'R-8' }])).toMatchObject({
    status: 404,
    body: { resource_type: 'campaign', resource_id: 'nobody' },
  });
  expect(await campaigns.read('Refusals')).toMatchObject({ vouchers_count: 2 });
});

test('an empty list is done at once', async () => {
  await campaigns.create('Empty');
  expect((await importInto('Empty', [])).result.done_count).toBe(0);
});

test('stops at the number of codes that a campaign may have; what came before stays', async () => {
  const { id } = await campaigns.create('Nearly full', { vouchers_count: 99_999 });
  await campaigns.settled(id);
  const { result } = await importInto(id, [{ code: 'LAST' }, { code: 'TOO-MANY' }]);
  expect(result.failed).toEqual([{ code: 'TOO-MANY', reason: 'A campaign can have at most 100000 codes' }]);
  expect(await campaigns.read(id)).toMatchObject({ vouchers_count: 100_000 });
}, 30_000);

test('imports by GraphQL, and tells what is refused', async () => {
  const { id } = await campaigns.create('GraphQL');
  const vouchers = [{ code: 'G-1', redemption: { quantity: 1 } }, { code: 'G-2' }];
  const started = await mutate(app, 'importCampaignVouchers', { campaignId: id, vouchers });
  expect((await campaigns.ended(String(started.task?.id))).result).toMatchObject({ done_count: 2 });
  expect(await mutate(app, 'importCampaignVouchers', { campaignId: id, vouchers })).toMatchObject({
    task: null,
    userErrors: [{ field: ['input', 'vouchers'], code: 'DUPLICATE_KEY' }],
  });
});
