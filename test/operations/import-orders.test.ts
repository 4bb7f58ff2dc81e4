import { beforeAll, expect, test } from 'vitest';
import { ask } from '../graphql/client.ts';
import { createClient } from '../rest/client.ts';
import { endedAction, readBack, runAction } from '../support/actions.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';

let app: TestApp;
const path = '/v1/orders/import';

beforeAll(async () => {
  app = await startTestApp();
});

/** The project's order, or what the answer said instead. */
function readOrder(id: string): Promise<Record<string, unknown>> {
  return readBack(app, `/v1/orders/${encodeURIComponent(id)}`);
}

const countRows = async (table: 'orders' | 'customers') =>
  (await app.app.db.selectFrom(table).select('id').where('project_id', '=', app.project.id).execute()).length;

/** As the contract's own example has them. */
const bob = {
  source_id: 'bob2.smith@email.com',
  name: 'Bob Smith',
  email: 'bob.smith@email.com',
  address: { city: 'New York', line_1: '123 Main St.', postal_code: '10001' },
  metadata: { lang: 'en', test: true },
  birthdate: '2022-01-01',
};
const jane = { source_id: 'jane.smith@email.com', name: 'Jane Smith', birthday: '2022-03-03' };

test('creates orders with their items, customers and referrers', async () => {
  const { result } = await runAction(app, path, [
    {
      source_id: 'first',
      status: 'PAID',
      metadata: { location_id: ['L1', 'L2'] },
      customer: bob,
      referrer: jane,
      items: [
        { source_id: 'prod_1', related_object: 'product', quantity: 2, product: { name: 'Phone', price: 70_000 } },
        { source_id: 'ComicBook_1', related_object: 'sku', quantity: 1, sku: { price: 1600 }, metadata: { a: null } },
      ],
    },
    { source_id: 'second', status: 'CANCELED', amount: 7000 },
    {
      source_id: 'third',
      items: [{ amount: 900 }, { price: 2000, quantity: 3 }],
      customer: { source_id: bob.source_id },
    },
    {},
  ]);
  expect(result).toEqual({
    message: '4 order(s) imported successfully, 0 failed.',
    failed: [],
    done_count: 4,
    failed_count: 0,
  });
  const order = await readOrder('first');
  expect(order).toMatchObject({
    id: expect.stringMatching(/^ord_[0-9a-z]{24}$/),
    status: 'PAID',
    amount: 141_600,
    initial_amount: 141_600,
    total_amount: 141_600,
    metadata: { location_id: ['L1', 'L2'] },
    updated_at: null,
    items: [
      {
        object: 'order_item',
        source_id: 'prod_1',
        quantity: 2,
        price: 70_000,
        amount: 140_000,
        subtotal_amount: 140_000,
      },
      { object: 'order_item', related_object: 'sku', amount: 1600, metadata: { a: null } },
    ],
  });
  const buyer = await readBack(app, `/v1/customers/${order.customer_id}`);
  expect(buyer).toMatchObject({
    source_id: bob.source_id,
    name: 'Bob Smith',
    address: bob.address,
    metadata: bob.metadata,
  });
  const referrer = await readBack(app, `/v1/customers/${encodeURIComponent(jane.source_id)}`);
  expect(referrer).toMatchObject({ id: order.referrer_id, name: 'Jane Smith', birthdate: '2022-03-03' });
  expect(await readOrder('second')).toMatchObject({ status: 'CANCELED', amount: 7000, items: [], customer_id: null });
  expect(await readOrder('third')).toMatchObject({
    status: 'CREATED',
    amount: 6900,
    customer: { id: order.customer_id },
  });
});

test('updates an order by its source id or its id: fields left out stay, metadata is merged', async () => {
  await runAction(app, path, [
    {
      source_id: 'again',
      status: 'CREATED',
      amount: 500,
      metadata: { a: 1, b: 2 },
      customer: { source_id: 'ann', name: 'Ann' },
    },
  ]);
  const before = await readOrder('again');
  await runAction(app, path, [
    { source_id: 'again', status: 'PAID', metadata: { b: null } },
    { id: before.id, discount_amount: 50, customer: { source_id: 'ann', phone: '+48' } },
  ]);
  expect(await readOrder('again')).toMatchObject({
    id: before.id,
    source_id: 'again',
    status: 'PAID',
    amount: 500,
    discount_amount: 50,
    total_amount: 450,
    metadata: { a: 1, b: null },
    customer_id: before.customer_id,
    created_at: before.created_at,
    updated_at: expect.any(String),
  });
  expect(await readBack(app, '/v1/customers/ann')).toMatchObject({ name: 'Ann', phone: '+48' });
  await runAction(app, path, [{ source_id: 'again', referrer_id: before.customer_id }]);
  expect(await readOrder('again')).toMatchObject({ referrer: { id: before.customer_id, object: 'customer' } });
  await runAction(app, path, [{ source_id: 'again', referrer_id: null }]);
  expect(await readOrder('again')).toMatchObject({ referrer_id: null, status: 'PAID' });
});

test('of two orders with one source id in a list the later wins, and there is one order', async () => {
  const orders = await countRows('orders');
  const { result } = await runAction(app, path, [
    { source_id: 'folded', status: 'CREATED', amount: 1, metadata: { a: 1 } },
    { source_id: 'folded', status: 'PAID', metadata: { b: 2 } },
  ]);
  expect(result.done_count).toBe(2);
  expect(await readOrder('folded')).toMatchObject({ status: 'PAID', amount: 1, metadata: { a: 1, b: 2 } });
  expect(await countRows('orders')).toBe(orders + 1);
});

test.each([
  [
    'an unknown status',
    { status: 'SENT' },
    "status: must be equal to one of CREATED,PAID,CANCELED,FULFILLED (actual value is 'SENT')",
  ],
  ['an amount that is text', { amount: 'ten' }, "amount: must be a number (actual value is 'ten')"],
  [
    'more than all money',
    { items: [{ price: 2 ** 53 - 1, quantity: 2 }] },
    "items: amounts cannot be greater than 9007199254740991 (actual value is '18014398509481982')",
  ],
  ['items that are no list', { items: 5 }, "items: must be an array (actual value is '5')"],
  ['an unknown customer', { customer: { id: 'cust_nobody' } }, 'Cannot find customer with id cust_nobody'],
  ['an unknown referrer', { referrer_id: 'cust_nobody' }, 'Cannot find customer with id cust_nobody'],
  ['an id of its own', { id: 'ord_nobody' }, 'Cannot find order with id ord_nobody'],
  ['NUL in its metadata', { metadata: { 'a\0': 1 } }, 'metadata: must not contain NUL or half a surrogate pair'],
])('refuses an order with %s and imports the others', async (what, order, reason) => {
  const good = `good after ${what}`;
  const { result } = await runAction(app, path, [{ source_id: 'bad', ...order }, order, { source_id: good }]);
  expect(result.failed).toEqual([
    { source_id: 'bad', reason },
    { source_id: null, reason },
  ]);
  expect(result.done_count).toBe(1);
  expect(await readOrder(good)).toMatchObject({ source_id: good });
  expect(await readOrder('bad')).toMatchObject({ code: 404, key: 'not_found', resource_type: 'order' });
});

test('writes the products and SKUs that items override, and no others', async () => {
  const book = { source_id: 'books', name: 'Books', price: 1600, metadata: { vendor: 'B' } };
  const comic = { source_id: 'comic', sku: 'Comic', price: 1500, metadata: { vendor: 'C' } };
  const { result } = await runAction(app, path, [
    {
      source_id: 'override',
      items: [
        { source_id: 'phone', related_object: 'product', product: { name: 'Phone', price: 70_000, override: true } },
        { quantity: 2, product: { ...book, override: true }, sku: { ...comic, override: true } },
        { source_id: 'vase', related_object: 'product', product: { name: 'Vase' } },
      ],
    },
    { source_id: 'no such product', items: [{ product_id: 'none', sku: { ...comic, override: true } }] },
  ]);
  expect(result.failed).toEqual([{ source_id: 'no such product', reason: 'Cannot find product with id none' }]);
  expect(await readBack(app, '/v1/products/phone')).toMatchObject({ name: 'Phone', price: 70_000 });
  const product = await readBack(app, '/v1/products/books');
  expect(product).toMatchObject({ name: 'Books', metadata: { vendor: 'B' } });
  expect(await readBack(app, '/v1/skus/comic')).toMatchObject({ product_id: product.id, sku: 'Comic', price: 1500 });
  expect(await readBack(app, '/v1/products/vase')).toMatchObject({ code: 404 });
  expect(await readOrder('override')).toMatchObject({ amount: 73_000 });
});

test('checks the metadata schemas of orders and of customers', async () => {
  const definition = { type: 'number', array: false, optional: true };
  for (const resource of ['order', 'customer'] as const) {
    await app.app.db
      .insertInto('metadata_schemas')
      .values({
        id: `ms_${resource}`,
        project_id: app.project.id,
        resource,
        definitions: JSON.stringify({ rank: definition }),
        updated_at: null,
      })
      .execute();
  }
  const { result } = await runAction(app, path, [
    { source_id: 'ranked', metadata: { rank: 'high' } },
    { source_id: 'ranked too', customer: { source_id: 'ranked', metadata: { rank: 'low' } } },
    { source_id: 'ranked well', metadata: { rank: 1 }, customer: { source_id: 'ranked', metadata: { rank: 2 } } },
  ]);
  expect(result.failed).toEqual([
    { source_id: 'ranked', reason: "rank: must be a number (actual value is 'high')" },
    { source_id: 'ranked too', reason: "rank: must be a number (actual value is 'low')" },
  ]);
  const { status, body } = await createClient(app).post('/v1/orders', { metadata: { rank: 'x' } });
  expect([status, body.key]).toEqual([400, 'metadata_validation_failed']);
});

test.each([
  ['no list', {}, 'Payload should be array'],
  ['a list of numbers', [1], 'Property [0] should be object'],
  ['too many orders', Array.from({ length: 2001 }, () => ({})), 'Payload cannot have more than 2000 orders'],
  [
    'too many items',
    [{ items: Array.from({ length: 501 }, () => ({})) }],
    'Property .items cannot have more than 500 items',
  ],
  [
    'no quantity',
    [{}, { items: [{ initial_quantity: 0 }] }],
    'Property .items[0].initial_quantity cannot be lower than 1',
  ],
])('refuses the whole request with %s', async (_what, orders, details) => {
  const { status, body } = await createClient(app).post(path, orders);
  expect([status, body]).toEqual([
    400,
    {
      code: 400,
      key: 'invalid_payload',
      message: 'Invalid payload',
      details,
      request_id: expect.stringMatching(/^v-/),
    },
  ]);
});

test('two imports of the same 2000 orders at the same time make each order and each customer once', async () => {
  const [orders, customers] = [await countRows('orders'), await countRows('customers')];
  const all = Array.from({ length: 2000 }, (_, index) => ({
    source_id: index % 10 === 3 ? `race bad ${index}` : `race ${index}`,
    status: index % 10 === 3 ? 'LOST' : 'PAID',
    items: [{ price: index, quantity: 2 }],
    customer: { source_id: `racer ${index % 400}`, name: `Racer ${index}` },
  }));
  const [first, second] = await Promise.all([runAction(app, path, all), runAction(app, path, all.toReversed())]);
  for (const { result } of [first, second]) {
    expect(result).toMatchObject({ done_count: 1800, failed_count: 200 });
    expect(result.message).toBe('1800 order(s) imported successfully, 200 failed.');
  }
  expect(await countRows('orders')).toBe(orders + 1800);
  expect(await countRows('customers')).toBe(customers + 360);
  expect(await readOrder('race 7')).toMatchObject({ amount: 14, status: 'PAID' });
});

test('starts through GraphQL too', async () => {
  const query = `mutation ($orders: [OrderInput!]!) {
    importOrders(input: { orders: $orders }) { task { id type counts { total } } userErrors { field message code } }
  }`;
  const orders = [
    { sourceId: 'graphql', status: 'FULFILLED', items: [{ amount: 5, relatedObject: 'SKU', sku: { price: 1 } }] },
    { id: 'ord_nobody' },
  ];
  const answer = await ask<{ importOrders: { task: { id: string; type: string } } }>(app, query, { orders });
  expect(answer.errors).toBeUndefined();
  const { data } = answer;
  expect(data.importOrders).toMatchObject({ task: { type: 'ORDERS_IMPORT', counts: { total: 2 } }, userErrors: [] });
  const { result } = await endedAction(app, data.importOrders.task.id);
  expect(result.failed).toEqual([{ source_id: null, reason: 'Cannot find order with id ord_nobody' }]);
  expect(await readOrder('graphql')).toMatchObject({ status: 'FULFILLED', amount: 5 });
  const tooMany = await ask(app, query, { orders: [{ items: [{ quantity: 0 }] }] });
  expect(tooMany.data).toEqual({
    importOrders: {
      task: null,
      userErrors: [
        {
          field: ['input', 'orders', '0', 'items', '0', 'quantity'],
          message: 'Property .items[0].quantity cannot be lower than 1',
          code: 'TOO_SMALL',
        },
      ],
    },
  });
});
