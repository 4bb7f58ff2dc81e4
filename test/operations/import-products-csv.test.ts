import { beforeAll, expect, test } from 'vitest';
import { csvForm, readBack, runAction } from '../support/actions.ts';
import { runCsvMutation } from '../support/csv-mutation.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { defineMetadata } from '../support/mutations.ts';

let app: TestApp;
const path = '/v1/products/importCSV';
const header = 'name,source_id,price,attributes,image_url,Vendor';

beforeAll(async () => {
  app = await startTestApp();
});

const read = (id: string, where = app) => readBack(where, `/v1/products/${encodeURIComponent(id)}`);
const importRows = (...rows: string[]) => runAction(app, path, [header, ...rows].join('\r\n'));

test('makes products, with prices in major units and every other column as metadata', async () => {
  const action = await importRows(
    'Shirt,csv-1,14.5,"color, size,color",https://images.example/1.png,EMEA',
    '"Mug, large",csv-2,13,,,',
    'Pen,csv-3,0.07,ink,,',
    'Cap,csv-4,,,,',
  );
  expect(action.type).toBe('PRODUCTS.IMPORT_CSV');
  expect(action.result).toEqual({
    message: '4 product(s) imported successfully, 0 failed.',
    done_count: 4,
    failed_count: 0,
    failed: [],
  });
  expect(await read('csv-1')).toMatchObject({
    name: 'Shirt',
    price: 1450,
    attributes: ['color', 'size'],
    image_url: 'https://images.example/1.png',
    metadata: { Vendor: 'EMEA' },
  });
  expect(await read('csv-2')).toMatchObject({ name: 'Mug, large', price: 1300, attributes: [], metadata: {} });
  expect(await read('csv-3')).toMatchObject({ price: 7, attributes: ['ink'] });
  expect(await read('csv-4')).toMatchObject({ price: null, image_url: null });
});

test('of a product that exists only the name and the metadata change', async () => {
  await importRows('Old,known,14,color,https://images.example/old.png,A');
  const text =
    'name,source_id,price,attributes,image_url,Region\nNew,known,99,size,https://images.example/new.png,EU\n';
  expect((await runAction(app, path, text)).result.done_count).toBe(1);
  expect(await read('known')).toMatchObject({
    name: 'New',
    price: 1400,
    attributes: ['color'],
    image_url: 'https://images.example/old.png',
    metadata: { Vendor: 'A', Region: 'EU' },
    updated_at: expect.any(String),
  });
});

test('imports thousands of rows by an upload over GraphQL, and refuses the bad ones by their numbers', async () => {
  const rows = Array.from(
    { length: 5_000 },
    (_, index) => `${index % 100 === 42 ? '' : `Row ${index}`},G-${index},1.5,,,x`,
  );
  const { result } = await runCsvMutation(app, 'importProductsCsv', [header, ...rows].join('\n'));
  expect(result).toMatchObject({ done_count: 4_950, failed_count: 50 });
  expect(result.failed.slice(0, 2)).toEqual([
    { source_id: 'G-42', row: 43, reason: 'name is required' },
    { source_id: 'G-142', row: 143, reason: 'name is required' },
  ]);
  expect(await read('G-4999')).toMatchObject({ name: 'Row 4999', price: 150, metadata: { Vendor: 'x' } });
});

test('a row without a source id always makes a product', async () => {
  const { result } = await importRows('Alone,,1,,,', 'Alone,,1,,,');
  expect(result.done_count).toBe(2);
  const products = app.app.db.selectFrom('products').select('source_id').where('name', '=', 'Alone');
  expect(await products.execute()).toEqual([{ source_id: null }, { source_id: null }]);
});

test('the failure of a row without a source id names none', async () => {
  const { result } = await importRows(',,1,,,', ',has-one,1,,,');
  expect(result.failed).toEqual([
    { row: 1, reason: 'name is required' },
    { source_id: 'has-one', row: 2, reason: 'name is required' },
  ]);
});

test('of a source id that stands twice, the first row makes the product and the last names it', async () => {
  const { result } = await importRows('First,dup,1,a,,A', 'Last,dup,2,b,,B');
  expect(result.done_count).toBe(2);
  expect(await read('dup')).toMatchObject({ name: 'Last', price: 100, attributes: ['a'], metadata: { Vendor: 'B' } });
});

const price = 'price: must be a number of major units with at most 2 decimals';
test.each([
  ['no name', ',b-1,1,,,', 'name is required'],
  ['a price with a unit', 'x,b-2,14 EUR,,,', `${price} (actual value is '14 EUR')`],
  ['a price below a cent', 'x,b-3,1.005,,,', `${price} (actual value is '1.005')`],
  ['a negative price', 'x,b-4,-1,,,', `${price} (actual value is '-1')`],
  ['too few cells', 'x,b-5', 'expected 6 cells, found 2'],
])('refuses a row with %s and imports the others', async (what, row, reason) => {
  const { result } = await importRows(`Good,good ${what} 1,1.50,,,`, row, `Good,good ${what} 2,1.500,,,`);
  expect(result.failed).toEqual([{ source_id: row.split(',')[1], row: 2, reason }]);
  expect(await read(`good ${what} 2`)).toMatchObject({ price: 150 });
});

test('metadata that the schema defines has its type, and is refused where it does not fit', async () => {
  const other = { ...app, project: await app.createProject() };
  await defineMetadata(other, 'product', {
    vendor: { type: 'string', optional: false, eq: ['Vendor 1', 'Vendor 2'] },
    weight: { type: 'number' },
    fragile: { type: 'boolean' },
    tags: { type: 'string', array: true },
  });
  const text = [
    'name,source_id,vendor,weight,fragile,tags,other',
    'Good,m-1,Vendor 1,2.5,TRUE,"a,b",7',
    'Bad,m-2,Vendor 3,,,,',
    'Bad,m-3,Vendor 1,heavy,,,',
    'Bad,m-4,Vendor 1,,perhaps,,',
  ].join('\n');
  const { result } = await runAction(other, path, text);
  expect(result).toMatchObject({ done_count: 1, failed_count: 3 });
  expect(result.failed[0]).toEqual({
    source_id: 'm-2',
    row: 2,
    reason:
      "vendor: must be a string, property is required, must be equal to one of Vendor 1,Vendor 2 (actual value is 'Vendor 3')",
  });
  expect(result.failed.map(({ row }) => row)).toEqual([2, 3, 4]);
  expect((await read('m-1', other)).metadata).toEqual({
    vendor: 'Vendor 1',
    weight: 2.5,
    fragile: true,
    tags: ['a', 'b'],
    other: '7',
  });
});

test.each([
  ['names no products', 'source_id,price\na,1\n', /the column name is missing/],
  ['has a metadata column with white space', 'name,my region\na,b\n', /without white space/],
  ['is empty', '', /empty/],
])('refuses a file that %s as a whole', async (_what, text, details) => {
  const answer = await fetch(`${app.url}${path}`, {
    method: 'POST',
    headers: app.project.headers,
    body: csvForm(text),
  });
  expect(answer.status).toBe(400);
  expect(await answer.json()).toMatchObject({ key: 'invalid_payload', details: expect.stringMatching(details) });
});

test('is started with 200, and needs a file', async () => {
  const { headers } = app.project;
  const good = await fetch(`${app.url}${path}`, { method: 'POST', headers, body: csvForm('name\nx\n') });
  expect(good.status).toBe(200);
  const form = new FormData();
  form.set('other', 'x');
  const bad = await fetch(`${app.url}${path}`, { method: 'POST', headers, body: form });
  expect(bad.status).toBe(400);
  expect(await bad.json()).toMatchObject({ details: "Payload should have required property 'file'" });
});
