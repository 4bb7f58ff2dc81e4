import { beforeAll, expect, test } from 'vitest';
import type { Customer, CustomerList } from '../../src/rest/async-action/customer-shapes.ts';
import { checkAsyncAction } from '../support/contracts.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { type Client, createClient } from './client.ts';

let app: TestApp;
let client: Client;

const whole = {
  source_id: 'john@example.com',
  name: 'John Smith',
  description: 'A customer',
  email: 'john@example.com',
  phone: '+1 (132) 222-2222',
  birthdate: '2000-12-31',
  address: { city: 'New York', state: 'NY', line_1: '123 Main St.', line_2: null, country: 'US', postal_code: '10001' },
  metadata: { lang: 'en', nested: { deep: [1, null] } },
};
const none = {
  system_metadata: {},
  summary: {
    redemptions: {
      total_redeemed: 0,
      total_failed: 0,
      total_succeeded: 0,
      total_rolled_back: 0,
      total_rollback_failed: 0,
      total_rollback_succeeded: 0,
      gift: { redeemed_amount: 0, amount_to_go: 0 },
      loyalty_card: { redeemed_points: 0, points_to_go: 0 },
    },
    orders: { total_amount: 0, total_count: 0, average_amount: 0, last_order_amount: 0 },
  },
  loyalty: { points: 0, referred_customers: 0, campaigns: {} },
  referrals: { total: 0, campaigns: [] },
  created_at: expect.stringMatching(/Z$/),
  assets: {},
  object: 'customer',
};

beforeAll(async () => {
  app = await startTestApp();
  client = createClient(app);
});

const create = async (body: object) => {
  const answer = await client.post<Customer>('/v1/customers', body);
  expect(answer.status).toBe(200);
  return answer.body;
};

test('creates a customer and tells all of it', async () => {
  const body = await create(whole);
  expect(body).toEqual({
    ...whole,
    birthday: '2000-12-31',
    id: expect.stringMatching(/^cust_[0-9a-zA-Z]{24}$/),
    ...none,
  });
  checkAsyncAction('CustomersCreateResponseBody', body);
  for (const id of [body.id, whole.source_id]) {
    expect((await client.get<Customer>(`/v1/customers/${encodeURIComponent(id)}`)).body).toEqual(body);
  }
});

test('leaves out what is not set, but for the address, which is null', async () => {
  const body = await create({ source_id: 'bare' });
  expect(body).toEqual({ id: body.id, source_id: 'bare', address: null, ...none });
  const nameless = await create({});
  expect(nameless).toEqual({ id: nameless.id, address: null, ...none });
  expect((await client.get(`/v1/customers/${nameless.id}`)).status).toBe(200);
});

test('updates the customer that has the id or source id, and only in the fields given', async () => {
  const first = await create({ source_id: 'upsert', name: 'First', phone: '1', metadata: { a: 1 } });
  const bySource = await create({ source_id: 'upsert', name: 'Second', metadata: { b: 2 } });
  expect(bySource).toEqual({ ...first, name: 'Second', metadata: { a: 1, b: 2 }, updated_at: expect.any(String) });
  const byId = await create({ id: first.id, source_id: 'another', phone: null });
  expect(byId).toMatchObject({ id: first.id, source_id: 'upsert', name: 'Second' });
  expect(byId).not.toHaveProperty('phone');
});

test('an update writes the given fields, by id or source id, and never the source id', async () => {
  const { id } = await create({ source_id: 'put', name: 'Old', email: 'kept@example.com', metadata: { a: 1 } });
  const byId = await client.call<Customer>('PUT', `/v1/customers/${id}`, { body: { name: 'New', source_id: 'other' } });
  expect([byId.status, byId.body]).toEqual([
    200,
    expect.objectContaining({ source_id: 'put', name: 'New', email: 'kept@example.com', metadata: { a: 1 } }),
  ]);
  const bySource = await client.call<Customer>('PUT', '/v1/customers/put', { body: { metadata: { b: null } } });
  expect(bySource.body).toMatchObject({ id, metadata: { a: 1, b: null } });
  const unknown = await client.call('PUT', '/v1/customers/nobody', { body: { name: 'N' } });
  expect([unknown.status, unknown.body]).toEqual([404, expect.objectContaining({ resource_type: 'customer' })]);
});

test.each(['10% off/spring', 'ÄÖÜ 🎁 ñ', 'a+b&c=d?e#f', 'importCSV', "it's; x", 'me@example.com'])(
  'finds the source id %j',
  async (source_id) => {
    await create({ source_id });
    const { body } = await client.get<Customer>(`/v1/customers/${encodeURIComponent(source_id)}`);
    expect(body.source_id).toBe(source_id);
  },
);

test('deletes a customer, whom nobody finds afterwards', async () => {
  const { id } = await create({ source_id: 'gone' });
  const deleted = await client.call('DELETE', '/v1/customers/gone');
  expect([deleted.status, deleted.text]).toEqual([204, '']);
  for (const name of ['gone', id]) {
    expect((await client.get(`/v1/customers/${name}`)).status).toBe(404);
    expect((await client.call('DELETE', `/v1/customers/${name}`)).status).toBe(404);
  }
  expect((await create({ source_id: 'gone' })).id).not.toBe(id);
});

test.each(['nobody', 'JOHN@example.com', 'bare%00', 'x'.repeat(400)])('answers 404 to %s', async (name) => {
  const { status, body, headers } = await client.get(`/v1/customers/${name}`);
  expect(status).toBe(404);
  checkAsyncAction('Error', body);
  expect(body).toEqual({
    code: 404,
    key: 'not_found',
    message: 'Resource not found',
    details: `Cannot find customer with id ${decodeURIComponent(name)}`,
    request_id: headers.get('x-request-id'),
    resource_id: decodeURIComponent(name),
    resource_type: 'customer',
  });
});

test("another project's customer is one that does not exist", async () => {
  const { id } = await create({ source_id: 'ours', name: 'Ours' });
  const stranger = createClient(app, await app.createProject());
  for (const name of ['ours', id]) {
    expect((await stranger.get(`/v1/customers/${name}`)).status).toBe(404);
    expect((await stranger.call('PUT', `/v1/customers/${name}`, { body: { name: 'Theirs' } })).status).toBe(404);
    expect((await stranger.call('DELETE', `/v1/customers/${name}`)).status).toBe(404);
  }
  expect((await stranger.post('/v1/customers', { id, name: 'Theirs' })).status).toBe(404);
  const theirs = await stranger.post<Customer>('/v1/customers', { source_id: 'ours', name: 'Theirs' });
  expect(theirs.body.id).not.toBe(id);
  expect((await stranger.get<CustomerList>('/v1/customers')).body).toMatchObject({
    total: 1,
    customers: [theirs.body],
  });
  expect((await client.get<Customer>('/v1/customers/ours')).body.name).toBe('Ours');
});

test.each([
  ['no body', undefined, 'Payload should be object'],
  ['a list', [], 'Payload should be object'],
  ['a name that is none', { name: 5 }, 'Property .name should be string'],
  ['a part of an address that is none', { address: { city: 5 } }, 'Property .address.city should be string'],
  ['metadata that is a list', { metadata: [] }, 'Property .metadata should be object'],
  ['a birthdate of another form', { birthdate: '1/2/2000' }, 'Property .birthdate: must be an ISO 8601 date'],
  ['NUL', { name: '\0' }, expect.stringContaining('must not contain NUL')],
])('refuses %s', async (_what, body, details) => {
  const answer = await client.post('/v1/customers', body);
  expect([answer.status, answer.body]).toEqual([400, expect.objectContaining({ key: 'invalid_payload', details })]);
});

test('refuses metadata that does not fit the schema', async () => {
  const definitions = JSON.stringify({ level: { type: 'number', array: false, optional: false } });
  const values = { id: 'ms_customer', project_id: app.project.id, resource: 'customer' as const, definitions };
  await app.app.db.insertInto('metadata_schemas').values(values).execute();
  const bad = await client.call('PUT', '/v1/customers/bare', { body: { metadata: { level: 'high' } } });
  const missing = await client.post('/v1/customers', { source_id: 'without a level' });
  const known = await client.post('/v1/customers', { source_id: 'bare', name: 'Known' });
  await app.app.db.deleteFrom('metadata_schemas').execute();
  const key = 'metadata_validation_failed';
  const details = 'level: must be a number, property is required';
  expect(bad.body).toMatchObject({ code: 400, key, details: `${details} (actual value is 'high')` });
  expect(missing.body).toMatchObject({ code: 400, key, details: `${details} (actual value is 'undefined')` });
  expect(known.status).toBe(200);
});

test('lists customers by pages, the newest first', async () => {
  const lister = createClient(app, await app.createProject());
  const ids: string[] = [];
  for (let index = 0; index < 12; index += 1) {
    ids.unshift((await lister.post<Customer>('/v1/customers', { source_id: `list-${index}` })).body.id);
  }
  const list = async (query: string) => (await lister.get<CustomerList>(`/v1/customers${query}`)).body;
  expect(await list('')).toMatchObject({ object: 'list', data_ref: 'customers', total: 12 });
  expect((await list('')).customers.map(({ id }) => id)).toEqual(ids.slice(0, 10));
  expect((await list('?limit=5&page=3')).customers.map(({ id }) => id)).toEqual(ids.slice(10));
  expect(await list('?limit=100&page=2')).toMatchObject({ customers: [], total: 12 });
  for (const query of ['limit=0', 'limit=101', 'limit=x', 'page=0', 'page=1.5']) {
    const { status, body } = await lister.get(`/v1/customers?${query}`);
    expect([query, status, body.key]).toEqual([query, 400, 'invalid_query_params']);
  }
});

test('sums up the orders of a customer that are not canceled', async () => {
  const { id } = await create({ source_id: 'buyer' });
  const order = (name: string, status: 'PAID' | 'CANCELED', amount: number, created_at: Date) => ({
    id: `ord_${name}`,
    project_id: app.project.id,
    status,
    amount,
    items: '[]',
    metadata: '{}',
    customer_id: id,
    created_at,
  });
  const last = new Date('2026-02-01T00:00:00.000Z');
  await app.app.db
    .insertInto('orders')
    .values([
      order('1', 'PAID', 1000, new Date('2026-01-01')),
      order('2', 'PAID', 2501, last),
      order('3', 'CANCELED', 9999, new Date('2026-03-01')),
    ])
    .execute();
  const { body } = await client.get<Customer>('/v1/customers/buyer');
  expect(body.summary.orders).toEqual({
    total_amount: 3501,
    total_count: 2,
    average_amount: 1751,
    last_order_amount: 2501,
    last_order_date: last.toISOString(),
  });
  await client.call('DELETE', '/v1/customers/buyer');
  const kept = await app.app.db.selectFrom('orders').select('customer_id').where('id', '=', 'ord_1').execute();
  expect(kept).toEqual([{ customer_id: null }]);
});
