import { beforeAll, expect, test } from 'vitest';
import { readBack, readReport, runAction } from '../support/actions.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { defineMetadata, runMutation } from '../support/mutations.ts';

let app: TestApp;
const path = '/v1/products/bulk/async';

beforeAll(async () => {
  app = await startTestApp();
});

const read = (id: string, where = app) => readBack(where, `/v1/products/${encodeURIComponent(id)}`);

test('makes unknown products, and changes only what is given of known ones', async () => {
  const shirt = {
    source_id: 'shirt',
    name: 'Shirt',
    price: 1450,
    attributes: ['color', 'size'],
    image_url: 'https://images.example/shirt.png',
    metadata: { vendor: 'A', nested: { a: 1 } },
  };
  const made = await runAction(app, path, [shirt, { source_id: 'bare' }]);
  expect(made).toMatchObject({ type: 'PRODUCTS.BULK_UPDATE', operation_status: 'SUCCESS' });
  expect(made.result).toEqual({
    done_count: 2,
    failed_count: 0,
    errors: [],
    reports: [expect.any(String)],
    reports_available_till: expect.any(String),
  });
  expect(await readReport(made)).toEqual(['shirt,false,true', 'bare,false,true']);
  expect(await read('shirt')).toMatchObject({
    ...shirt,
    id: expect.stringMatching(/^prod_[0-9a-f]{18}$/),
    updated_at: null,
  });
  expect(await read('bare')).toMatchObject({ name: null, price: null, attributes: [], image_url: null, metadata: {} });

  const change = { source_id: 'shirt', price: null, metadata: { nested: { b: 2 }, gone: null } };
  expect(await readReport(await runAction(app, path, [change]))).toEqual(['shirt,true,true']);
  expect(await read('shirt')).toMatchObject({
    ...shirt,
    price: null,
    metadata: { vendor: 'A', nested: { b: 2 }, gone: null },
    updated_at: expect.any(String),
  });
});

test('updates thousands of products, refuses the bad ones, and reports each', async () => {
  const items = Array.from({ length: 5_000 }, (_, index) => ({
    source_id: `B-${index}`,
    name: `Product ${index}`,
    price: index % 10 === 3 ? 'free' : index,
  }));
  const action = await runMutation(app, 'updateProductsMetadata', {
    sourceIds: items.filter((_, index) => index % 2 === 0).map(({ source_id }) => source_id),
    metadata: { season: 'spring' },
  });
  expect(action.result).toMatchObject({ done_count: 2_500, failed_count: 0 });

  const { result, ...updated } = await runAction(app, path, items);
  expect(result).toMatchObject({ done_count: 4_500, failed_count: 500 });
  expect(result.errors[0]).toEqual({
    key: expect.any(String),
    message: 'Invalid payload',
    details: "price: must be a number (actual value is 'free')",
    source_id: 'B-3',
  });
  expect(await readReport({ ...updated, result })).toEqual(
    items.map(
      ({ source_id, price }, index) => `${source_id},${price !== 'free' && index % 2 === 0},${price !== 'free'}`,
    ),
  );
  expect(await read('B-4998')).toMatchObject({ name: 'Product 4998', price: 4998, metadata: { season: 'spring' } });
  expect(await read('B-3')).toMatchObject({ code: 404, resource_type: 'product' });
});

test('is started by GraphQL as well', async () => {
  const action = await runMutation(app, 'bulkUpdateProducts', {
    products: [{ sourceId: 'G-1', name: 'One', price: 5_000_000_000, imageUrl: null }, { sourceId: 'G-2' }],
  });
  expect(action.result).toMatchObject({ done_count: 2, failed_count: 0 });
  expect(await read('G-1')).toMatchObject({ name: 'One', price: 5_000_000_000, image_url: null });
});

test('reports a product that is so already as found and not updated', async () => {
  const same = { source_id: 'same', name: 'Same', attributes: ['a'], metadata: { a: 1 } };
  await runAction(app, path, [same]);
  expect(await readReport(await runAction(app, path, [same]))).toEqual(['same,true,false']);
  expect(await read('same')).toMatchObject({ updated_at: null });
});

test('of a source id that stands twice, the later value of a field counts', async () => {
  const action = await runAction(app, path, [
    { source_id: 'twice', name: 'First', price: 1, metadata: { a: 1, b: 1 } },
    { source_id: 'twice', name: 'Second', metadata: { a: 2 } },
  ]);
  expect(await readReport(action)).toEqual(['twice,false,true', 'twice,true,true']);
  expect(await read('twice')).toMatchObject({ name: 'Second', price: 1, metadata: { a: 2, b: 1 } });
});

test.each([
  [
    'no source id',
    { name: 'x' },
    '',
    "source_id: must be a string, property is required (actual value is 'undefined')",
  ],
  ['a source id that is a number', { source_id: 5 }, '', "source_id: must be a string (actual value is '5')"],
  ['half a cent', { source_id: 'b', price: 1.5 }, 'b', "price: must be an integer (actual value is '1.5')"],
  ['a debt', { source_id: 'b', price: -1 }, 'b', "price: cannot be lower than 0 (actual value is '-1')"],
  [
    'attributes that are text',
    { source_id: 'b', attributes: 'a' },
    'b',
    "attributes: must be an array (actual value is 'a')",
  ],
  [
    'metadata that is a list',
    { source_id: 'b', metadata: [] },
    'b',
    "metadata: must be an object (actual value is '[]')",
  ],
  ['NUL', { source_id: 'b', name: 'a\0' }, 'b', 'name: must not contain NUL or half a surrogate pair'],
])('refuses an item with %s and updates the others', async (what, item, source_id, details) => {
  const action = await runAction(app, path, [item, { source_id: `good ${what}` }]);
  expect(action.result.errors).toEqual([{ key: expect.any(String), message: 'Invalid payload', details, source_id }]);
  expect(await read(`good ${what}`)).toMatchObject({ source_id: `good ${what}` });
});

test('holds new products to the whole metadata schema, known ones only to the keys given', async () => {
  const other = { ...app, project: await app.createProject() };
  await runAction(other, path, [{ source_id: 'old' }]);
  await defineMetadata(other, 'product', {
    vendor: { type: 'string', optional: false, eq: ['Vendor 1', 'Vendor 2'] },
    weight: { type: 'number' },
  });
  const action = await runAction(other, path, [
    { source_id: 'old', metadata: { weight: 2 } },
    { source_id: 'new', metadata: { weight: 2 } },
    { source_id: 'new', metadata: { vendor: 'Vendor 1' } },
    { source_id: 'new', metadata: { weight: 'heavy' } },
  ]);
  const shared = { key: 'metadata_validation_failed', message: 'Metadata validation failed', source_id: 'new' };
  const vendor = 'must be a string, property is required, must be equal to one of Vendor 1,Vendor 2';
  expect(action.result.errors).toEqual([
    { ...shared, details: `vendor: ${vendor} (actual value is 'undefined')` },
    { ...shared, details: "weight: must be a number (actual value is 'heavy')" },
  ]);
  expect(await readReport(action)).toEqual(['old,true,true', 'new,false,false', 'new,false,true', 'new,true,false']);
  expect(await read('new', other)).toMatchObject({ metadata: { vendor: 'Vendor 1' } });
});

test('two updates of the same products in opposite order both end, and neither loses a field', async () => {
  const ids = Array.from({ length: 3_000 }, (_, index) => `RACE-${index}`);
  const items = (key: string) => ids.map((source_id) => ({ source_id, metadata: { [key]: 1 } }));
  const done = await Promise.all([runAction(app, path, items('a')), runAction(app, path, items('b').toReversed())]);
  expect(done.map(({ result }) => result.done_count)).toEqual([3_000, 3_000]);
  expect(app.logs.filter(({ event }) => event === 'chunk.rolled_back')).toEqual([]);
  for (const id of ['RACE-0', 'RACE-1500', 'RACE-2999'])
    expect(await read(id)).toMatchObject({ metadata: { a: 1, b: 1 } });
});

test('another project has other products', async () => {
  const other = { ...app, project: await app.createProject() };
  await runAction(app, path, [{ source_id: 'shared', name: 'Ours' }]);
  expect(await readReport(await runAction(other, path, [{ source_id: 'shared' }]))).toEqual(['shared,false,true']);
  expect(await read('shared')).toMatchObject({ name: 'Ours' });
  expect(await read('shared', other)).toMatchObject({ name: null });
});

test.each([
  ['no bytes', undefined],
  ['an empty list', []],
])('succeeds at once for %s', async (_what, body) => {
  const { status, result } = await runAction(app, path, body);
  expect({ status, result }).toMatchObject({ status: 'DONE', result: { done_count: 0, failed_count: 0, errors: [] } });
});
