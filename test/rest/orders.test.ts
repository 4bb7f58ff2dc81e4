import { beforeAll, expect, test } from 'vitest';
import { checkAsyncAction } from '../support/contracts.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { type Client, createClient } from './client.ts';

let app: TestApp;
let client: Client;

beforeAll(async () => {
  app = await startTestApp({ role: 'gateway' });
  client = createClient(app);
});

test('creates an order and reads it by its id and its source id', async () => {
  const created = await client.post('/v1/orders', {
    source_id: 'a/b 1',
    items: [{ product_id: 'prod_1', quantity: 2, price: 150, object: 'order_item' }],
    customer: { source_id: 'alice', name: 'Alice' },
    discount_amount: 50,
  });
  expect(created.status).toBe(200);
  checkAsyncAction('OrdersCreateResponseBody', created.body);
  expect(created.body).toMatchObject({ amount: 300, total_amount: 250, status: 'CREATED', object: 'order' });
  for (const id of [String(created.body.id), 'a/b 1']) {
    const { status, body } = await client.get(`/v1/orders/${encodeURIComponent(id)}`);
    expect([status, body]).toEqual([200, created.body]);
    checkAsyncAction('OrdersGetResponseBody', body);
  }
});

test('updates an order by PUT, and by POST of its source id', async () => {
  const { body: created } = await client.post('/v1/orders', { source_id: 'upsert', metadata: { a: 1 } });
  const put = await client.call('PUT', '/v1/orders/upsert', { body: { status: 'PAID', metadata: { b: 2 } } });
  expect([put.status, put.body]).toMatchObject([200, { id: created.id, status: 'PAID', metadata: { a: 1, b: 2 } }]);
  const post = await client.post('/v1/orders', { source_id: 'upsert', amount: 10 });
  expect(post.body).toMatchObject({ id: created.id, status: 'PAID', amount: 10, metadata: { a: 1, b: 2 } });
});

test('lists the newest first, page by page', async () => {
  const fresh = { ...app, project: await app.createProject() };
  const own = createClient(fresh);
  for (let index = 0; index < 12; index += 1) await own.post('/v1/orders', { source_id: `order ${index}` });
  const first = await own.get<{ orders: { source_id: string }[] }>('/v1/orders');
  expect(first.body).toMatchObject({ object: 'list', data_ref: 'orders', total: 12 });
  expect(first.body.orders.map((order) => order.source_id)).toEqual(
    Array.from({ length: 10 }, (_, index) => `order ${11 - index}`),
  );
  const third = await own.get<{ orders: { source_id: string }[] }>('/v1/orders?limit=5&page=3');
  expect(third.body.orders.map((order) => order.source_id)).toEqual(['order 1', 'order 0']);
});

test.each([
  ['limit=0', 'Property .limit cannot be lower than 1'],
  ['limit=101', 'Property .limit cannot be greater than 100'],
  ['page=x', 'Property .page should be integer'],
])('refuses a list with %s', async (query, details) => {
  const { status, body } = await client.get(`/v1/orders?${query}`);
  expect([status, body]).toMatchObject([400, { key: 'invalid_query_params', details }]);
});

test.each([
  ['POST', '/v1/orders', { amount: 'x' }, 400, 'Property .amount should be number'],
  ['POST', '/v1/orders', { items: [{ quantity: 0 }] }, 400, 'Property .items[0].quantity cannot be lower than 1'],
  ['POST', '/v1/orders', { id: 'ord_nobody' }, 404, 'Cannot find order with id ord_nobody'],
  ['POST', '/v1/orders', { customer: { id: 'cust_nobody' } }, 404, 'Cannot find customer with id cust_nobody'],
  ['PUT', '/v1/orders/nobody', {}, 404, 'Cannot find order with id nobody'],
  ['GET', '/v1/orders/a%00b', undefined, 404, 'Cannot find order with id a\0b'],
])('%s %s with %j is answered %i', async (method, path, body, status, details) => {
  const answer = await client.call(method, path, { body });
  expect([answer.status, answer.body]).toMatchObject([status, { code: status, details }]);
});

test('keeps nothing of an order that is refused, and shows orders to their own project only', async () => {
  const { status } = await client.post('/v1/orders', { customer: { source_id: 'ghost' }, referrer_id: 'cust_nobody' });
  const ghost = await app.app.db.selectFrom('customers').selectAll().where('source_id', '=', 'ghost').execute();
  expect([status, ghost]).toEqual([404, []]);
  const { body } = await client.post('/v1/orders', { source_id: 'mine' });
  const stranger = createClient(app, await app.createProject());
  for (const id of [String(body.id), 'mine']) expect((await stranger.get(`/v1/orders/${id}`)).status).toBe(404);
  expect((await stranger.call('PUT', `/v1/orders/${body.id}`, { body: {} })).status).toBe(404);
  expect((await stranger.post('/v1/orders', { id: body.id })).status).toBe(404);
});
