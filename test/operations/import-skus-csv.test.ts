import { beforeAll, expect, test } from 'vitest';
import { csvForm, readBack, runAction } from '../support/actions.ts';
import { runCsvMutation } from '../support/csv-mutation.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { defineMetadata } from '../support/mutations.ts';

let app: TestApp;
const path = '/v1/skus/importCSV';
const header = 'product_id,source_id,sku,price,image_url,attributes,season';

beforeAll(async () => {
  app = await startTestApp();
  await runAction(app, '/v1/products/bulk/async', [
    { source_id: 'shirt', attributes: ['color', 'ranking', "o'clock"] },
    { source_id: 'mug', attributes: ['size'] },
  ]);
});

const read = (id: string, where = app) => readBack(where, `/v1/skus/${encodeURIComponent(id)}`);
const idOf = async (product: string, where = app) => String((await readBack(where, `/v1/products/${product}`)).id);
const importRows = (...rows: string[]) => runAction(app, path, [header, ...rows].join('\n'));

test('makes SKUs of products known by their source ids or ids, with prices in major units', async () => {
  const shirt = await idOf('shirt');
  const action = await importRows(
    `shirt,s-1,Blue,14.5,https://images.example/1.png,"{'color':'blue','ranking':1}",spring`,
    `${shirt},s-2,Red,17,,"{""color"":""re\\""d"",'o\\'clock': true}",`,
    'mug,s-3,,,,,',
  );
  expect(action.type).toBe('SKUS.IMPORT_CSV');
  expect(action.result).toEqual({
    message: '3 sku(s) imported successfully, 0 failed.',
    done_count: 3,
    failed_count: 0,
    failed: [],
  });
  expect(await read('s-1')).toEqual({
    id: expect.stringMatching(/^sku_[0-9a-f]{18}$/),
    source_id: 's-1',
    product_id: shirt,
    sku: 'Blue',
    price: 1450,
    currency: null,
    attributes: { color: 'blue', ranking: 1 },
    image_url: 'https://images.example/1.png',
    metadata: { season: 'spring' },
    created_at: expect.any(String),
    updated_at: null,
    object: 'sku',
  });
  expect(await read('s-2')).toMatchObject({
    product_id: shirt,
    price: 1700,
    attributes: { color: 're"d', "o'clock": true },
    image_url: '',
  });
  expect(await read('s-3')).toMatchObject({ sku: null, price: null, attributes: {}, metadata: {} });
});

test('of a SKU that exists only sku and price change, and only where the file has them', async () => {
  await importRows("shirt,known,Old,1,https://images.example/old.png,{'ranking':1},spring");
  await runAction(app, path, "product_id,source_id,sku,attributes,season\nshirt,known,New,{'ranking':2},summer\n");
  expect(await read('known')).toMatchObject({
    sku: 'New',
    price: 100,
    attributes: { ranking: 1 },
    image_url: 'https://images.example/old.png',
    metadata: { season: 'spring' },
    updated_at: expect.any(String),
  });
});

test('refuses a SKU that another product has, in the catalogue or earlier in the file', async () => {
  await importRows('shirt,size-small,,1,,,');
  const { result } = await importRows(
    'mug,size-small,,2,,,',
    'mug,fresh,,1,,,',
    'shirt,fresh,,2,,,',
    'mug,fresh,Mine,3,,,',
  );
  expect(result.done_count).toBe(2);
  expect(result.failed).toEqual([
    { row: 1, reason: `Resource sku with id size-small is in use by products with ids [${await idOf('shirt')}]` },
    { row: 3, reason: `Resource sku with id fresh is in use by products with ids [${await idOf('mug')}]` },
  ]);
  expect(await read('size-small')).toMatchObject({ price: 100 });
  expect(await read('fresh')).toMatchObject({ sku: 'Mine', price: 300, product_id: await idOf('mug') });
});

test.each([
  ['no product', ',b-1,,1,,,', 'product_id is required'],
  ['no source id', 'shirt,,,1,,,', 'source_id is required'],
  ['an unknown product', 'hat,b-2,,1,,,', 'Cannot find product with id hat'],
  [
    'an attribute that the product has not',
    "mug,b-3,,1,,{'color':'blue'},",
    "attributes: must be equal to one of size (actual value is 'color')",
  ],
  [
    'attributes that are no object',
    'mug,b-4,,1,,size,',
    "attributes: must be an object such as {'color':'blue','ranking':1} (actual value is 'size')",
  ],
  [
    'attributes that cannot be stored',
    String.raw`mug,b-6,,1,,{'size':'\u0000'},`,
    'attributes: must not contain NUL or half a surrogate pair',
  ],
  [
    'a number that is not finite',
    "mug,b-7,,1,,{'size':1e400},",
    "attributes: must hold finite numbers (actual value is '{'size':1e400}')",
  ],
  [
    'attributes that nest too deep',
    `mug,b-8,,1,,"{'size':${'['.repeat(5_000)}${']'.repeat(5_000)}}",`,
    'attributes: The JSON nests deeper than 64 levels',
  ],
  [
    'a price that is none',
    'mug,b-5,,free,,,',
    "price: must be a number of major units with at most 2 decimals (actual value is 'free')",
  ],
])('refuses a row with %s and imports the others', async (what, row, reason) => {
  const { result } = await importRows(row, `mug,good ${what},,1,,,`);
  expect(result.failed).toEqual([{ row: 1, reason }]);
  expect(await read(`good ${what}`)).toMatchObject({ price: 100 });
});

test('imports thousands of rows by an upload over GraphQL, and refuses the bad ones', async () => {
  const names = Array.from({ length: 100 }, (_, index) => `many-${index}`);
  await runAction(
    app,
    '/v1/products/bulk/async',
    names.map((source_id) => ({ source_id })),
  );
  const rows = Array.from(
    { length: 6_000 },
    (_, index) => `${index % 60 === 7 ? 'nowhere' : `many-${index % 100}`},S-${index},Name ${index},${index}.25,,,`,
  );
  const { result } = await runCsvMutation(app, 'importSkusCsv', [header, ...rows].join('\n'));
  expect(result).toMatchObject({ done_count: 5_900, failed_count: 100 });
  expect(result.failed[0]).toEqual({ row: 8, reason: 'Cannot find product with id nowhere' });
  expect(await read('S-5999')).toMatchObject({ sku: 'Name 5999', price: 599_925, product_id: await idOf('many-99') });
  const { skus } = (await readBack(app, '/v1/products/many-99')) as { skus: { total: number; data: object[] } };
  expect(skus).toMatchObject({ total: 60, object: 'list', data_ref: 'data' });
});

test('the same SKUs for two products at the same time go to one of them', async () => {
  const rows = (product: string) => Array.from({ length: 3_000 }, (_, index) => `${product},RACE-${index},,1,,,`);
  const [first, second] = await Promise.all([importRows(...rows('shirt')), importRows(...rows('mug').toReversed())]);
  expect(first.result.done_count + second.result.done_count).toBe(3_000);
  expect(first.result.failed_count + second.result.failed_count).toBe(3_000);
  expect(app.logs.filter(({ event }) => event === 'chunk.rolled_back')).toEqual([]);
  for (const { reason } of [...first.result.failed, ...second.result.failed]) {
    expect(reason).toMatch(/^Resource sku with id RACE-\d+ is in use by products with ids \[prod_[0-9a-f]{18}\]$/);
  }
});

test('products and SKUs of another project are out of reach', async () => {
  const other = { ...app, project: await app.createProject() };
  const { result } = await runAction(other, path, `product_id,source_id\n${await idOf('shirt')},mine\n`);
  expect(result.failed).toEqual([{ row: 1, reason: `Cannot find product with id ${await idOf('shirt')}` }]);
  expect(await read('s-1', other)).toMatchObject({ code: 404, resource_type: 'sku' });
});

test('metadata that the schema defines has its type, and is refused where it does not fit', async () => {
  const other = { ...app, project: await app.createProject() };
  await runAction(other, '/v1/products/bulk/async', [{ source_id: 'p' }]);
  await defineMetadata(other, 'sku', { weight: { type: 'number' } });
  const { result } = await runAction(other, path, 'product_id,source_id,weight\np,w-1,2.5\np,w-2,heavy\n');
  expect(result.failed).toEqual([{ row: 2, reason: "weight: must be a number (actual value is 'heavy')" }]);
  expect(await read('w-1', other)).toMatchObject({ metadata: { weight: 2.5 }, image_url: null });
});

test('refuses a file without the columns that it must have, and is started with 200', async () => {
  const send = (text: string) =>
    fetch(`${app.url}${path}`, { method: 'POST', headers: app.project.headers, body: csvForm(text) });
  const bad = await send('product_id,sku\nshirt,x\n');
  expect(bad.status).toBe(400);
  expect(await bad.json()).toMatchObject({ details: expect.stringMatching(/the column source_id is missing/) });
  expect((await send('product_id,source_id\nshirt,late\n')).status).toBe(200);
});
