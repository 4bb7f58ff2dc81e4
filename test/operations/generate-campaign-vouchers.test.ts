import { beforeAll, expect, test } from 'vitest';
import { campaignsOf, minimalVoucher, mutate } from '../support/campaigns.ts';
import { checkAsyncAction, checkResult } from '../support/contracts.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';

let app: TestApp;
let campaigns: ReturnType<typeof campaignsOf>;

beforeAll(async () => {
  app = await startTestApp();
  campaigns = campaignsOf(app);
});

const add = (campaignId: string, query: string, body?: unknown) =>
  campaigns.call('POST', `${campaigns.path(campaignId)}/vouchers${query}`, { body });

test('a campaign in the least words has no vouchers, is done at once and starts no action', async () => {
  const created = await campaigns.create('Minimal');
  expect(created).toMatchObject({
    id: expect.stringMatching(/^camp_[0-9a-zA-Z]{24}$/),
    campaign_type: 'DISCOUNT_COUPONS',
    type: 'AUTO_UPDATE',
    creation_status: 'DONE',
    vouchers_generation_status: 'DONE',
    vouchers_count: 0,
    voucher: {
      ...minimalVoucher,
      redemption: { quantity: null },
      code_config: { length: 8, pattern: '########', charset: expect.stringMatching(/^0123456789a.*zA.*Z$/) },
    },
  });
  expect(Object.keys(created)).not.toContain('expiration_date');
  expect(await campaigns.read('Minimal')).toEqual(created);
  expect(await campaigns.read(created.id)).toEqual(created);
  const { body } = await campaigns.call<{ async_actions: [] }>('GET', '/v1/async-actions');
  expect(body.async_actions).toEqual([]);
});

test('a campaign with one voucher is created with it, without an action', async () => {
  const { id, vouchers_count, creation_status } = await campaigns.create('One', { vouchers_count: 1 });
  expect({ vouchers_count, creation_status }).toEqual({ vouchers_count: 1, creation_status: 'DONE' });
  const [voucher] = await campaigns.vouchers(id);
  expect(voucher).toMatchObject({ active: true, campaign: 'One', campaign_id: id, discount: { amount_off: 1000 } });
});

test('a campaign with thousands of vouchers is answered at once and generates them', async () => {
  const created = await campaigns.create('Thousands', {
    vouchers_count: 12_000,
    start_date: '2026-01-01T00:00:00Z',
    expiration_date: '2036-12-31T23:59:59Z',
    category: 'Spring',
    metadata: { season: 'spring' },
    voucher: { ...minimalVoucher, redemption: { quantity: 3 }, code_config: { prefix: 'SP-', pattern: '####-####' } },
  });
  expect(created).toMatchObject({
    type: 'STATIC',
    creation_status: 'IN_PROGRESS',
    vouchers_generation_status: 'IN_PROGRESS',
    vouchers_count: 0,
  });
  const action = await campaigns.lastAction();
  expect(action).toMatchObject({ type: 'CAMPAIGN.VOUCHERS_GENERATE', status: 'DONE', operation_status: 'SUCCESS' });
  checkResult(action.type, action.result);
  expect(action.result).toEqual({ message: 'Generated 12000 vouchers.', done_count: 12_000 });
  expect(await campaigns.read('Thousands')).toMatchObject({ creation_status: 'DONE', vouchers_count: 12_000 });
  for (const voucher of await campaigns.vouchers(created.id)) {
    expect(voucher).toMatchObject({
      code: expect.stringMatching(/^SP-[0-9a-zA-Z]{4}-[0-9a-zA-Z]{4}$/),
      category: 'Spring',
      start_date: '2026-01-01T00:00:00.000Z',
      expiration_date: '2036-12-31T23:59:59.000Z',
      redemption: { quantity: 3, redeemed_quantity: 0 },
      metadata: { season: 'spring' },
    });
  }
});

test('adds one voucher at once, by body, without one, and for the bare number of an official test', async () => {
  const { id } = await campaigns.create('Singles');
  const given = await add(id, '', {
    code: 'MINE',
    category: 'Own',
    metadata: { a: 1 },
    redemption: { quantity: 2 },
    additional_info: 'info',
    expiration_date: '2036-01-01',
  });
  expect(given.status).toBe(200);
  checkAsyncAction('CampaignsVouchersCreateResponseBody', given.body);
  expect(given.body).toMatchObject({
    code: 'MINE',
    campaign_id: id,
    category: 'Own',
    metadata: { a: 1 },
    redemption: { quantity: 2 },
    additional_info: 'info',
    expiration_date: '2036-01-01T00:00:00.000Z',
  });
  const empty = await campaigns.call('POST', `${campaigns.path(id)}/vouchers?vouchers_count=1`, {
    headers: { ...app.project.headers, 'content-type': 'application/json' },
  });
  expect(empty).toMatchObject({ status: 200, body: { campaign: 'Singles' } });
  expect(await add(id, '', 5)).toMatchObject({ status: 200, body: { campaign_id: id } });
  expect(await campaigns.read(id)).toMatchObject({ vouchers_count: 3 });
});

test('adds several vouchers by a task, with what the request says instead of the campaign', async () => {
  const { id } = await campaigns.create('Several of / "names"', { metadata: { from: 'campaign', kept: true } });
  const { status, body } = await add('Several of / "names"', '?vouchers_count=250', {
    code_config: { charset: 'AB', length: 8, postfix: '!' },
    metadata: { from: 'request' },
  });
  expect(status).toBe(202);
  const action = await campaigns.ended(String(body.async_action_id));
  expect(action.result).toEqual({ message: 'Generated 250 vouchers.', done_count: 250 });
  const [voucher] = await campaigns.vouchers(id);
  expect(voucher).toMatchObject({
    code: expect.stringMatching(/^[AB]{8}!$/),
    metadata: { from: 'request', kept: true },
  });
});

test('a code space can be used up to the last code, and then nothing more can be made of it', async () => {
  const code_config = { charset: '0123456789', pattern: 'FULL-###' };
  const { id } = await campaigns.create('Full', { voucher: { ...minimalVoucher, code_config } });
  const first = await add(id, '?vouchers_count=400');
  const second = await add(id, '?vouchers_count=600');
  for (const { body } of [first, second]) await campaigns.ended(String(body.async_action_id));
  expect(await campaigns.settled(id)).toMatchObject({ vouchers_count: 1000 });
  expect(await add(id, '')).toMatchObject({ status: 400, body: { key: 'invalid_code_config' } });
  const { body } = await add(id, '?vouchers_count=2');
  const action = await campaigns.ended(String(body.async_action_id));
  expect(action.result).toEqual({ message: 'Generated 0 vouchers.', done_count: 0 });
});

test.each([
  ['more codes than there can be', { charset: '01', length: 3 }, '?vouchers_count=9'],
  ['codes that are too long', { pattern: '#'.repeat(200), postfix: 'x'.repeat(100) }, '?vouchers_count=2'],
  ['a length of 0', { length: 0 }, '?vouchers_count=2'],
])('refuses %s', async (what, code_config, query) => {
  const { id } = await campaigns.create(what);
  const answer = await add(id, query, { code_config });
  const key = what === 'a length of 0' ? 'invalid_payload' : 'invalid_code_config';
  expect(answer).toMatchObject({ status: 400, body: { code: 400, key } });
  expect(await campaigns.read(id)).toMatchObject({ vouchers_count: 0, creation_status: 'DONE' });
});

test('refuses what a campaign cannot have, and leaves nothing behind', async () => {
  await campaigns.create('Taken');
  const post = (body: unknown) => campaigns.call('POST', '/v1/campaigns', { body });
  expect(await post({ name: 'Taken', voucher: minimalVoucher, vouchers_count: 5 })).toMatchObject({
    status: 409,
    body: { key: 'duplicate_found', resource_type: 'campaign', resource_id: 'Taken' },
  });
  expect(await post({ name: 'X', campaign_type: 'REFERRAL_PROGRAM', voucher: {} })).toMatchObject({
    status: 400,
    body: { key: 'invalid_campaign', details: "Property 'discount' is required for REFERRAL_PROGRAM campaign" },
  });
  expect(await post({ name: 'X', voucher: minimalVoucher, vouchers_count: 100_001 })).toMatchObject({ status: 400 });
  expect(await post({ name: 'X' })).toMatchObject({ status: 400, body: { key: 'invalid_payload' } });
  expect(await campaigns.call('GET', '/v1/campaigns/X')).toMatchObject({ status: 404 });
  expect(await add('nobody', '?vouchers_count=3')).toMatchObject({
    status: 404,
    body: { key: 'not_found', resource_id: 'nobody', resource_type: 'campaign' },
  });
  expect(await add('Taken', '?vouchers_count=0')).toMatchObject({ status: 400, body: { key: 'invalid_query_params' } });
  const path = `${campaigns.path('Taken')}/vouchers/${encodeURIComponent('DOUBLE 1/2')}`;
  expect(await campaigns.call('POST', path)).toMatchObject({ status: 200, body: { code: 'DOUBLE 1/2' } });
  expect(await campaigns.call('POST', path)).toMatchObject({ status: 409, body: { key: 'duplicate_found' } });
  await add('Taken', '', { code: 'DOUBLE' });
  expect(await add('Taken', '', { code: 'DOUBLE' })).toMatchObject({
    status: 409,
    body: { key: 'duplicate_found', details: 'Duplicated voucher exists with id DOUBLE' },
  });
});

test('a standalone campaign has no vouchers of its own', async () => {
  const { id } = await campaigns.create('Alone', { type: 'STANDALONE' });
  expect(await add(id, '')).toMatchObject({
    status: 400,
    body: { details: 'You can not generate vouchers for STANDALONE type campaign.' },
  });
});

test('lists campaigns, newest first, and gives nobody those of another project', async () => {
  const { body } = await campaigns.call<{ campaigns: { name: string }[]; total: number }>(
    'GET',
    '/v1/campaigns?limit=2&page=1',
  );
  checkAsyncAction('CampaignsListResponseBody', body);
  expect(body.campaigns[0]?.name).toBe('Alone');
  expect(body.campaigns).toHaveLength(2);
  expect(body.total).toBeGreaterThan(5);
  const gifts = await campaigns.call('GET', '/v1/campaigns?campaign_type=GIFT_VOUCHERS&order=created_at');
  expect(gifts.body).toMatchObject({ campaigns: [], total: 0 });
  for (const query of ['campaign_type=NONE', 'order=name', 'filters[name]=x', 'limit=101', 'page=0']) {
    expect(await campaigns.call('GET', `/v1/campaigns?${query}`)).toMatchObject({
      status: 400,
      body: { key: 'invalid_query_params' },
    });
  }
  const stranger = campaignsOf({ ...app, project: await app.createProject() });
  expect(await stranger.call('GET', '/v1/campaigns/Alone')).toMatchObject({ status: 404 });
  expect(await stranger.call('GET', '/v1/campaigns')).toMatchObject({ body: { campaigns: [], total: 0 } });
});

test('generates by GraphQL, and tells what is wrong with the input', async () => {
  const { id } = await campaigns.create('By GraphQL');
  const started = await mutate(app, 'generateCampaignVouchers', {
    campaignId: 'By GraphQL',
    vouchersCount: 30,
    codeConfig: { prefix: 'GQL' },
  });
  const action = await campaigns.ended(String(started.task?.id));
  expect(action.result).toEqual({ message: 'Generated 30 vouchers.', done_count: 30 });
  expect(await campaigns.vouchers(id)).toHaveLength(30);
  const refused = await mutate(app, 'generateCampaignVouchers', { campaignId: 'nobody', vouchersCount: 3 });
  expect(refused).toMatchObject({ task: null, userErrors: [{ field: ['input', 'campaignId'], code: 'NOT_FOUND' }] });
});
