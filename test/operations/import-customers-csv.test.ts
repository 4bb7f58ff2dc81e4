import { beforeAll, expect, test } from 'vitest';
import { ask } from '../graphql/client.ts';
import { createClient } from '../rest/client.ts';
import { csvForm, endedAction, readCustomer, runAction } from '../support/actions.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { defineMetadata } from '../support/mutations.ts';

let app: TestApp;
const path = '/v1/customers/importCSV';
const template =
  'Name,Email,Phone,Birthdate,Source_id,City,State,Line_1,Postal_Code,Country,Description,acquisition_channel';

beforeAll(async () => {
  app = await startTestApp();
});

const importFile = (...lines: string[]) => runAction(app, path, lines.join('\r\n'));

test('creates customers from the columns of the description; any other column is metadata', async () => {
  const action = await importFile(
    'Name,Email,Phone,Birthdate,Source_id,Address_line_1,Address_line_2,Address_Postal_Code,Address_City,Address_State,Address_Country,Description,channel',
    '"Bob, Jr.",bob@example.com,+48 1,1990-02-28,bob,1 Main St.,Apt 2,00-001,Warsaw,MZ,Poland,A customer,Twitter',
    'Ann,,,,ann,,,,,,,,',
  );
  expect(action).toMatchObject({ type: 'CUSTOMERS.IMPORT_CSV', status: 'DONE', operation_status: 'SUCCESS' });
  expect(action.result).toEqual({
    message: '2 customer(s) imported successfully, 0 failed.',
    done_count: 2,
    failed_count: 0,
    failed: [],
  });
  expect(await readCustomer(app, 'bob')).toMatchObject({
    name: 'Bob, Jr.',
    email: 'bob@example.com',
    phone: '+48 1',
    birthdate: '1990-02-28',
    birthday: '1990-02-28',
    source_id: 'bob',
    address: {
      line_1: '1 Main St.',
      line_2: 'Apt 2',
      postal_code: '00-001',
      city: 'Warsaw',
      state: 'MZ',
      country: 'Poland',
    },
    description: 'A customer',
    metadata: { channel: 'Twitter' },
  });
  const ann = await readCustomer(app, 'ann');
  expect(ann).toMatchObject({ name: 'Ann', address: null });
  expect(ann).not.toHaveProperty('metadata');
});

test('takes the address columns of the official template, in any case', async () => {
  await importFile(template, 'Eve,,,,eve,Paris,IDF,1 Rue,75001,France,,Facebook');
  expect(await readCustomer(app, 'eve')).toMatchObject({
    address: { city: 'Paris', state: 'IDF', postal_code: '75001', country: 'France' },
    metadata: { Line_1: '1 Rue', acquisition_channel: 'Facebook' },
  });
  await importFile('SOURCE_ID,city', 'eve-2,Lyon');
  expect(await readCustomer(app, 'eve-2')).toMatchObject({ address: { city: 'Lyon' } });
});

test('overwrites a customer that exists as a whole, found by its source id or its id', async () => {
  await importFile(template, 'Old,old@example.com,1,2000-01-01,over,Rome,,,,Italy,Text,Twitter');
  const { id } = await readCustomer(app, 'over');
  await importFile('Source_id,Name,tier', 'over,New,gold');
  const overwritten = await readCustomer(app, 'over');
  expect(overwritten).toMatchObject({ id, name: 'New', address: null, metadata: { tier: 'gold' } });
  for (const absent of ['email', 'phone', 'birthdate', 'description']) expect(overwritten).not.toHaveProperty(absent);
  await importFile('Id,Name', `${id},By id`);
  const byId = await readCustomer(app, 'over');
  expect(byId).toMatchObject({ id, source_id: 'over', name: 'By id' });
  expect(byId).not.toHaveProperty('metadata');
  await importFile('Id,Source_id,Name,tier', `,over,First,1`, `${id},,Second,`, `${id},ignored,Third,3`);
  expect(await readCustomer(app, 'over')).toMatchObject({
    id,
    source_id: 'over',
    name: 'Third',
    metadata: { tier: '3' },
  });
  expect(await readCustomer(app, 'ignored')).toMatchObject({ code: 404 });
});

test('creates a customer of its own for each row without a source id', async () => {
  const action = await importFile('Source_id,Name', ',Nobody', ',Nobody');
  expect(action.result).toMatchObject({ done_count: 2, failed: [] });
  const rows = await app.app.db.selectFrom('customers').select('source_id').where('name', '=', 'Nobody').execute();
  expect(rows).toEqual([{ source_id: null }, { source_id: null }]);
});

test.each([
  [
    'a birthdate of another form',
    ',31/12/2000,b1',
    'b1',
    "Birthdate: must be an ISO 8601 date (actual value is '31/12/2000')",
  ],
  [
    'a source id that is too long',
    `,,${'x'.repeat(256)}`,
    'x'.repeat(256),
    expect.stringContaining('Source_id: must have at most 255'),
  ],
  ['too few cells', 'cust_1,2000-01-01', '', 'expected 3 cells, found 2'],
  ['nothing in it', ',,', '', 'the row is empty'],
  ['an unknown id and no source id', 'cust_unknown,,', '', 'Cannot find customer with id cust_unknown'],
  ['NUL in a cell', 'a\0,,b2', 'b2', 'Id: must not contain NUL or half a surrogate pair'],
])('refuses a row with %s by its number and imports the others', async (what, row, source_id, reason) => {
  const action = await importFile('Id,Birthdate,Source_id', ',,good-1', row, `,2001-01-01,good after ${what}`);
  expect(action.result).toMatchObject({ done_count: 2, failed_count: 1 });
  expect(action.result.failed).toEqual([{ source_id, row: 2, reason }]);
  expect(await readCustomer(app, `good after ${what}`)).toMatchObject({ birthdate: '2001-01-01' });
});

test('gives metadata the types that the schema declares, and refuses what is not of them', async () => {
  await defineMetadata(app, 'customer', {
    points: { type: 'number', array: false, optional: true },
    vip: { type: 'boolean', array: false, optional: true },
    tags: { type: 'string', array: true, optional: true },
    channel: { type: 'string', array: false, optional: false, eq: ['Facebook', 'Twitter'] },
  });
  const action = await importFile(
    'Source_id,points,vip,tags,channel,note',
    't-1,12.5,TRUE,"a,b",Twitter,7',
    't-2,many,,,Twitter,',
    't-3,,yes,,Twitter,',
    't-4,,,,true,',
    't-5,1,,,,',
  );
  await defineMetadata(app, 'customer', {});
  const channel = 'channel: must be a string, property is required, must be equal to one of Facebook,Twitter';
  expect(action.result.failed).toEqual([
    { source_id: 't-2', row: 2, reason: "points: must be a number (actual value is 'many')" },
    { source_id: 't-3', row: 3, reason: "vip: must be a boolean (actual value is 'yes')" },
    { source_id: 't-4', row: 4, reason: `${channel} (actual value is 'true')` },
    { source_id: 't-5', row: 5, reason: `${channel} (actual value is 'undefined')` },
  ]);
  expect(await readCustomer(app, 't-1')).toMatchObject({
    metadata: { points: 12.5, vip: true, tags: ['a', 'b'], channel: 'Twitter', note: '7' },
  });
});

test('imports thousands of rows through GraphQL and counts the bad ones', async () => {
  const rows = Array.from({ length: 5_000 }, (_, index) =>
    index % 50 === 9 ? `many-${index},Name,tomorrow` : `many-${index},Name ${index},1999-12-31`,
  );
  const form = new FormData();
  const query =
    'mutation ($file: File!) { importCustomersCsv(input: { file: $file }) { task { id } userErrors { message } } }';
  form.set('operations', JSON.stringify({ query, variables: { file: null } }));
  form.set('map', '{"0":["variables.file"]}');
  form.set('0', new Blob([['Source_id,Name,Birthdate', ...rows].join('\n')]), 'customers.csv');
  const response = await fetch(`${app.url}/graphql`, { method: 'POST', headers: app.project.headers, body: form });
  const { data } = (await response.json()) as { data: { importCustomersCsv: { task: { id: string } } } };
  const { result } = await endedAction(app, data.importCustomersCsv.task.id);
  expect(result).toMatchObject({
    message: '4900 customer(s) imported successfully, 100 failed.',
    done_count: 4_900,
    failed_count: 100,
  });
  expect(result.failed[1]).toEqual({
    source_id: 'many-59',
    row: 60,
    reason: "Birthdate: must be an ISO 8601 date (actual value is 'tomorrow')",
  });
  expect(await readCustomer(app, 'many-4998')).toMatchObject({ name: 'Name 4998', birthdate: '1999-12-31' });
  const query2 = 'query ($id: ID!) { bulkTask(id: $id) { ... on AsyncAction { state counts { succeeded failed } } } }';
  const answer = await ask(app, query2, { id: data.importCustomersCsv.task.id });
  expect(answer.data).toEqual({ bulkTask: { state: 'SUCCEEDED', counts: { succeeded: 4_900, failed: 100 } } });
});

test.each([
  ['is empty', ''],
  ['has no column of a customer', 'a,b\n1,2\n'],
  ['names a column twice', 'Source_id,source_id\nx,y\n'],
  ['has a metadata column with white space', 'Source_id,My Region\nx,EU\n'],
])('refuses a file that %s as a whole', async (_what, text) => {
  const { status, body } = await createClient(app).post(path, csvForm(text));
  expect(status).toBe(400);
  expect(body).toMatchObject({ code: 400, key: 'invalid_payload' });
});

test('refuses a form without a file', async () => {
  const form = new FormData();
  form.set('other', 'x');
  const { status, body } = await createClient(app).post(path, form);
  expect(status).toBe(400);
  expect(body).toMatchObject({ details: "Payload should have required property 'file'" });
});
