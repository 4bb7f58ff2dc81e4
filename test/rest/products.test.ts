import { beforeAll, expect, test } from 'vitest';
import type { Product, ProductList, Sku, SkuList } from '../../src/rest/async-action/product-shapes.ts';
import { checkAsyncAction } from '../support/contracts.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { defineMetadata } from '../support/mutations.ts';
import { type Client, createClient } from './client.ts';

let app: TestApp;
let client: Client;

beforeAll(async () => {
  app = await startTestApp();
  client = createClient(app);
});

const shirt = {
  source_id: 'shirts/blue 1',
  name: 'T-shirt',
  price: 1000,
  attributes: ['color', 'ranking'],
  metadata: { vendor: 'A' },
  image_url: 'https://images.example/shirt.png',
};
const blue = {
  source_id: 'sku blue/1',
  sku: 'Blue',
  price: 1100,
  currency: 'USD',
  attributes: { color: 'blue', ranking: 1 },
  image_url: 'https://images.example/blue.png',
  metadata: { size: 'L' },
};

test('makes a product, reads it by id and source id, and makes the rest of it null', async () => {
  const made = await client.post<Product>('/v1/products', shirt);
  expect(made.status).toBe(200);
  checkAsyncAction('ProductsCreateResponseBody', made.body);
  expect(made.body).toEqual({
    ...shirt,
    id: expect.stringMatching(/^prod_[0-9a-f]{18}$/),
    created_at: expect.any(String),
    updated_at: null,
    skus: { object: 'list', data_ref: 'data', data: [], total: 0 },
    object: 'product',
  });
  for (const id of [made.body.id, shirt.source_id]) {
    const { status, body } = await client.get<Product>(`/v1/products/${encodeURIComponent(id)}`);
    checkAsyncAction('ProductsGetResponseBody', body);
    expect({ status, body }).toEqual({ status: 200, body: made.body });
  }
  const { body } = await client.post<Product>('/v1/products');
  expect(body).toMatchObject({
    source_id: null,
    name: null,
    price: null,
    attributes: [],
    metadata: {},
    image_url: null,
  });
});

test('a product that exists is changed: by POST of its id or source id, by PUT; metadata is merged', async () => {
  const { body: made } = await client.post<Product>('/v1/products', { ...shirt, source_id: 'upsert' });
  const bySource = await client.post<Product>('/v1/products', { source_id: 'upsert', price: 5, metadata: { b: 1 } });
  expect(bySource.body).toMatchObject({
    ...shirt,
    id: made.id,
    source_id: 'upsert',
    price: 5,
    metadata: { vendor: 'A', b: 1 },
  });
  expect(bySource.body.updated_at).not.toBeNull();
  const byId = await client.post<Product>('/v1/products', { id: made.id, source_id: 'other', name: null });
  expect(byId.body).toMatchObject({ id: made.id, source_id: 'upsert', name: null, price: 5 });
  const put = await client.call<Product>('PUT', '/v1/products/upsert', { body: { attributes: [], image_url: null } });
  expect(put.body).toMatchObject({ id: made.id, attributes: [], image_url: null, price: 5 });
});

test('the same new source id posted many times at once is one product', async () => {
  const names = Array.from({ length: 20 }, (_, index) => `Name ${index}`);
  const answers = await Promise.all(
    names.map((name) => client.post<Product>('/v1/products', { source_id: 'once', name })),
  );
  expect(answers.map(({ status }) => status)).toEqual(names.map(() => 200));
  expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
});

test('lists products a page at a time, the newest first, with their SKUs', async () => {
  const other = createClient(app, await app.createProject());
  for (let index = 0; index < 12; index += 1) await other.post('/v1/products', { source_id: `p${index}` });
  await other.post('/v1/products/p11/skus', { source_id: 's' });
  const ids = async (query: string) => {
    const { body } = await other.get<ProductList>(`/v1/products${query}`);
    expect(body).toMatchObject({ object: 'list', data_ref: 'products', total: 12 });
    return body.products.map(({ source_id }) => source_id);
  };
  expect(await ids('')).toEqual(['p11', 'p10', 'p9', 'p8', 'p7', 'p6', 'p5', 'p4', 'p3', 'p2']);
  expect(await ids('?page=2')).toEqual(['p1', 'p0']);
  expect(await ids('?limit=3&page=2')).toEqual(['p8', 'p7', 'p6']);
  expect(await ids('?limit=100&page=2')).toEqual([]);
  const { body } = await other.get<ProductList>('/v1/products?limit=1');
  expect(body.products[0]?.skus).toMatchObject({ total: 1, data: [{ source_id: 's' }] });
  for (const query of ['limit=0', 'limit=101', 'page=0', 'limit=x']) {
    const bad = await other.get(`/v1/products?${query}`);
    expect(bad).toMatchObject({ status: 400, body: { key: 'invalid_query_params' } });
  }
});

test('makes SKUs of a product, reads, changes and lists them', async () => {
  const { body: product } = await client.post<Product>('/v1/products', { source_id: 'with skus' });
  const made = await client.post<Sku>('/v1/products/with%20skus/skus', blue);
  checkAsyncAction('ProductsSkusCreateResponseBody', made.body);
  expect(made.body).toEqual({
    ...blue,
    id: expect.stringMatching(/^sku_[0-9a-f]{18}$/),
    product_id: product.id,
    created_at: expect.any(String),
    updated_at: null,
    object: 'sku',
  });
  for (const id of [made.body.id, blue.source_id]) {
    const { body } = await client.get<Sku>(`/v1/skus/${encodeURIComponent(id)}`);
    checkAsyncAction('SkusGetResponseBody', body);
    expect(body).toEqual(made.body);
  }
  const again = await client.post<Sku>(`/v1/products/${product.id}/skus`, { source_id: blue.source_id, price: 1 });
  expect(again.body).toMatchObject({ ...blue, id: made.body.id, price: 1 });
  const put = await client.call<Sku>('PUT', `/v1/products/${product.id}/skus/${made.body.id}`, {
    body: { sku: null, attributes: { ranking: 2 }, metadata: { b: 1 } },
  });
  expect(put.body).toMatchObject({ sku: null, price: 1, attributes: { ranking: 2 }, metadata: { size: 'L', b: 1 } });
  await client.post(`/v1/products/${product.id}/skus`);
  const { body: list } = await client.get<SkuList>(`/v1/products/${product.id}/skus?limit=1&page=2`);
  checkAsyncAction('ProductsSkusListResponseBody', list);
  expect(list).toEqual({ object: 'list', data_ref: 'skus', skus: [put.body], total: 2 });
  const { body: read } = await client.get<Product>(`/v1/products/${product.id}`);
  checkAsyncAction('ProductsGetResponseBody', read);
  expect(read.skus).toMatchObject({ total: 2, data: [{ source_id: null }, put.body] });
});

test('a SKU belongs to one product: not found below another, refused when posted to it', async () => {
  for (const source_id of ['owner', 'stranger']) await client.post('/v1/products', { source_id });
  const { body: sku } = await client.post<Sku>('/v1/products/owner/skus', { source_id: 'owned' });
  expect(await client.post('/v1/products/stranger/skus', { source_id: 'owned' })).toMatchObject({
    status: 400,
    body: {
      key: 'invalid_payload',
      details: `Resource sku with id owned is in use by products with ids [${sku.product_id}]`,
    },
  });
  for (const method of ['PUT', 'DELETE']) {
    expect(await client.call(method, '/v1/products/stranger/skus/owned')).toMatchObject({
      status: 404,
      body: { resource_type: 'sku', resource_id: 'owned' },
    });
  }
});

test('what is deleted is gone, SKUs with their product, and its source id is free again', async () => {
  const { body: product } = await client.post<Product>('/v1/products', { source_id: 'doomed' });
  for (const source_id of ['d-1', 'd-2']) await client.post('/v1/products/doomed/skus', { source_id });
  expect(await client.call('DELETE', '/v1/products/doomed/skus/d-1')).toMatchObject({ status: 204, text: '' });
  expect(await client.get('/v1/skus/d-1')).toMatchObject({ status: 404 });
  expect(await client.call('DELETE', '/v1/products/doomed?force=true')).toMatchObject({ status: 204, text: '' });
  for (const [path, resource_type, resource_id] of [
    ['/v1/products/doomed', 'product', 'doomed'],
    ['/v1/products/doomed/skus', 'product', 'doomed'],
    ['/v1/skus/d-2', 'sku', 'd-2'],
  ] as const) {
    const { status, body, headers } = await client.get(path);
    checkAsyncAction('Error', body);
    expect({ status, body }).toEqual({
      status: 404,
      body: {
        code: 404,
        key: 'not_found',
        message: 'Resource not found',
        details: `Cannot find ${resource_type} with id ${resource_id}`,
        request_id: headers.get('x-request-id'),
        resource_id,
        resource_type,
      },
    });
  }
  expect(await client.call('DELETE', '/v1/products/doomed')).toMatchObject({ status: 404 });
  const { body: anew } = await client.post<Product>('/v1/products', { source_id: 'doomed' });
  expect(anew.id).not.toBe(product.id);
});

test.each([
  [{ price: 1.5 }, 'Property .price should be integer'],
  [{ price: -1 }, 'Property .price cannot be lower than 0'],
  [{ attributes: 'color' }, 'Property .attributes should be array'],
  [{ metadata: [] }, 'Property .metadata should be object'],
  [{ source_id: '' }, 'Property .source_id cannot be lower than 1'],
  [[], 'Payload should be object'],
])('refuses the product %j', async (body, details) => {
  expect(await client.post('/v1/products', body)).toMatchObject({
    status: 400,
    body: { key: 'invalid_payload', details },
  });
});

test('refuses text and paths that cannot be stored', async () => {
  expect(await client.post('/v1/products', { name: 'a\0' })).toMatchObject({ status: 400 });
  expect(await client.post('/v1/products', { source_id: 'a\0' })).toMatchObject({ status: 400 });
  expect(await client.get('/v1/products/a%00')).toMatchObject({ status: 404 });
  expect(await client.get('/v1/skus/a%00')).toMatchObject({ status: 404 });
});

test('holds metadata to the schema of its resource', async () => {
  const project = await app.createProject();
  const other = createClient(app, project);
  await defineMetadata({ ...app, project }, 'product', { vendor: { type: 'string', optional: false } });
  await defineMetadata({ ...app, project }, 'sku', { weight: { type: 'number' } });
  const refused = { status: 400, body: { key: 'metadata_validation_failed', message: 'Metadata validation failed' } };
  expect(await other.post('/v1/products', { source_id: 'm' })).toMatchObject(refused);
  expect(await other.post('/v1/products', { source_id: 'm', metadata: { vendor: 'A' } })).toMatchObject({
    status: 200,
  });
  expect(await other.post('/v1/products', { source_id: 'm', name: 'x' })).toMatchObject({ status: 200 });
  expect(await other.call('PUT', '/v1/products/m', { body: { metadata: { vendor: 5 } } })).toMatchObject(refused);
  expect(await other.post('/v1/products/m/skus', { metadata: { weight: 'x' } })).toMatchObject(refused);
});

test('products of another project do not exist', async () => {
  const stranger = createClient(app, await app.createProject());
  const { body } = await client.post<Product>('/v1/products', { source_id: 'private' });
  for (const method of ['GET', 'PUT', 'DELETE']) {
    expect(await stranger.call(method, `/v1/products/${body.id}`)).toMatchObject({ status: 404 });
  }
  const { body: theirs } = await stranger.post<Product>('/v1/products', { id: body.id, source_id: 'private' });
  expect(theirs.id).not.toBe(body.id);
});
