import { beforeAll, expect, test } from 'vitest';
import { readVoucher, runAction } from '../support/actions.ts';
import { campaignsOf, mutate } from '../support/campaigns.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { defineMetadata } from '../support/mutations.ts';

let app: TestApp;
let campaigns: ReturnType<typeof campaignsOf>;

beforeAll(async () => {
  app = await startTestApp();
  campaigns = campaignsOf(app);
});

async function createWith(name: string, codes: readonly string[], fields: object = {}) {
  const campaign = await campaigns.create(name, fields);
  await runAction(
    app,
    `${campaigns.path(name)}/import`,
    codes.map((code) => ({ code })),
  );
  return campaign;
}

test('changes the campaign at once and thousands of its vouchers by a task; what is absent stays', async () => {
  const codes = Array.from({ length: 5000 }, (_, index) => `U-${index}`);
  const { id } = await createWith('Update', codes, {
    category: 'Old',
    start_date: '2026-01-01',
    metadata: { kept: 1, changed: 1, removed: 1 },
  });
  const answer = await campaigns.update('Update', {
    expiration_date: '2036-06-30T00:00:00Z',
    category: 'New',
    description: 'described',
    validity_day_of_week: [1, 2, 3],
    validity_timeframe: { interval: 'P2D', duration: 'P1D' },
    metadata: { changed: 2, added: null },
    unset_metadata_fields: ['removed'],
    discount: { type: 'AMOUNT', amount_off: 50 },
    join_once: true,
    unknown: 'skipped',
  });
  expect(answer).toMatchObject({
    id,
    creation_status: 'MODIFYING',
    vouchers_generation_status: 'MODIFYING',
    description: 'described',
    category: 'New',
    join_once: true,
    metadata: { kept: 1, changed: 2, added: null },
    voucher: { discount: { amount_off: 50 } },
    updated_at: expect.any(String),
  });
  const action = await campaigns.lastAction();
  expect(action).toMatchObject({
    type: 'CAMPAIGN.VOUCHERS_UPDATE',
    result: { message: 'Updated 5000 vouchers.', done_count: 5000 },
  });
  expect(await campaigns.read(id)).toMatchObject({ creation_status: 'DONE', vouchers_generation_status: 'DONE' });
  for (const code of ['U-0', 'U-2500', 'U-4999']) {
    const voucher = await readVoucher(app, code);
    expect(voucher).toMatchObject({
      start_date: '2026-01-01T00:00:00.000Z',
      expiration_date: '2036-06-30T00:00:00.000Z',
      category: 'New',
      validity_day_of_week: [1, 2, 3],
      validity_timeframe: { interval: 'P2D', duration: 'P1D' },
      discount: { type: 'AMOUNT', amount_off: 50 },
    });
    expect(voucher.metadata).toEqual({ kept: 1, changed: 2, added: null });
  }
});

test('an expiration date of null is none, and the campaign tells none', async () => {
  await createWith('Null', ['N-1'], { expiration_date: '2036-01-01' });
  expect(await campaigns.update('Null', { expiration_date: null })).not.toHaveProperty('expiration_date');
  await campaigns.settled('Null');
  expect(await readVoucher(app, 'N-1')).toMatchObject({ expiration_date: null });
});

test('leaves vouchers alone that are redeemed already', async () => {
  await campaigns.create('Gifts', { voucher: { gift: { amount: 100, effect: 'APPLY_TO_ORDER' } } });
  const csv = 'Code,Redeemed Quantity,Redeemed Amount\nG-USED,1,50\nG-FREE,0,0\n';
  await runAction(app, `${campaigns.path('Gifts')}/importCSV`, csv);
  await campaigns.update('Gifts', { category: 'New', gift: { amount: 100, effect: 'APPLY_TO_ITEMS' } });
  expect((await campaigns.lastAction()).result).toEqual({ message: 'Updated 1 vouchers.', done_count: 1 });
  expect(await readVoucher(app, 'G-USED')).toMatchObject({ category: null, gift: { effect: 'APPLY_TO_ORDER' } });
  expect(await readVoucher(app, 'G-FREE')).toMatchObject({ category: 'New', gift: { effect: 'APPLY_TO_ITEMS' } });
});

test('a campaign without vouchers is changed and done', async () => {
  await campaigns.create('Empty');
  await campaigns.update('Empty', { description: 'x' });
  expect((await campaigns.lastAction()).result).toEqual({ message: 'Updated 0 vouchers.', done_count: 0 });
  expect(await campaigns.read('Empty')).toMatchObject({ creation_status: 'DONE', description: 'x' });
});

test('of two updates at the same time the later one wins for every voucher', async () => {
  await createWith(
    'Race',
    Array.from({ length: 6000 }, (_, index) => `RACE-${index}`),
  );
  await Promise.all(['A', 'B', 'C'].map((category) => campaigns.update('Race', { category })));
  const { category, id } = await campaigns.settled('Race');
  const inTheEnd = async () => {
    const { body } = await campaigns.call<{ total: number }>(
      'GET',
      `/v1/vouchers?campaign_id=${id}&category=${category}&limit=1`,
    );
    return body.total;
  };
  await expect.poll(inTheEnd, { timeout: 10_000 }).toBe(6000);
});

test('refuses what cannot change, and changes nothing then', async () => {
  await createWith('Refuse', ['F-1']);
  const put = (idOrName: string, body: unknown) => campaigns.call('PUT', campaigns.path(idOrName), { body });
  expect(await put('Refuse', { discount: { type: 'PERCENT', percent_off: 5 } })).toMatchObject({
    status: 400,
    body: { key: 'invalid_campaign', details: 'It is not possible to change Voucher discount type' },
  });
  expect(await put('Refuse', { gift: { amount: 5 } })).toMatchObject({ status: 400 });
  expect(await put('Refuse', { start_date: 'tomorrow' })).toMatchObject({ status: 400 });
  expect(await put('Refuse', [])).toMatchObject({ status: 400, body: { key: 'invalid_payload' } });
  expect(await put('nobody', {})).toMatchObject({ status: 404, body: { resource_type: 'campaign' } });
  await defineMetadata(app, 'campaign', { unit: { type: 'number', optional: true } });
  expect(await put('Refuse', { metadata: { unit: 'EUR' } })).toMatchObject({
    status: 400,
    body: { key: 'metadata_validation_failed', details: "unit: must be a number (actual value is 'EUR')" },
  });
  expect(await campaigns.read('Refuse')).not.toHaveProperty('updated_at');
  await campaigns.update('Refuse', { metadata: { unit: 5 } });
  await defineMetadata(app, 'campaign', { unit: { type: 'number', optional: false } });
  expect(await put('Refuse', { unset_metadata_fields: ['unit'] })).toMatchObject({ status: 400 });
  await defineMetadata(app, 'campaign', { unit: { type: 'number', optional: true } });
});

test('updates by GraphQL', async () => {
  const { id } = await createWith('GraphQL', ['Q-1', 'Q-2']);
  const { task } = await mutate(app, 'updateCampaignVouchers', { campaignId: id, category: 'G', startDate: null });
  expect((await campaigns.ended(String(task?.id))).result).toEqual({ message: 'Updated 2 vouchers.', done_count: 2 });
  expect(await readVoucher(app, 'Q-2')).toMatchObject({ category: 'G' });
});
