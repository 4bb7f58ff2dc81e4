import { beforeAll, expect, test } from 'vitest';
import { readCustomer, readReport, runAction } from '../support/actions.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { defineMetadata, runMutation } from '../support/mutations.ts';

let app: TestApp;
const path = '/v1/customers/bulk/async';

beforeAll(async () => {
  app = await startTestApp();
});

test('creates a customer that is unknown, and writes only the fields given of one that exists', async () => {
  const official = {
    source_id: 'John.Smith@email.com',
    name: 'John Smith',
    email: 'john.smith@email.com',
    description: 'Updating customer data',
    phone: '+1 (132) 222-2222',
    address: {
      city: 'New York',
      country: 'United States',
      line_1: '123 Main St.',
      line_2: 'APT 3 BLG 4',
      postal_code: '10001',
      state: 'NY',
    },
    metadata: { lang: 'en', test: true },
    birthday: '2022-04-04',
  };
  const created = await runAction(app, path, [official]);
  expect(created).toMatchObject({ type: 'CUSTOMERS.BULK_UPDATE', status: 'DONE', operation_status: 'SUCCESS' });
  expect(created.result).toMatchObject({ done_count: 1, failed_count: 0, errors: [] });
  expect(await readReport(created)).toEqual(['John.Smith@email.com,false,true']);
  const { id, ...before } = await readCustomer(app, 'John.Smith@email.com');
  expect(before).toMatchObject({ ...official, birthdate: '2022-04-04' });
  expect(before).not.toHaveProperty('updated_at');

  const changed = await runAction(app, path, [{ source_id: official.source_id, name: 'J.', metadata: { more: 1 } }]);
  expect(await readReport(changed)).toEqual(['John.Smith@email.com,true,true']);
  expect(await readCustomer(app, 'John.Smith@email.com')).toEqual({
    ...before,
    id,
    name: 'J.',
    metadata: { lang: 'en', test: true, more: 1 },
    updated_at: expect.any(String),
  });

  const again = await runAction(app, path, [{ source_id: official.source_id, name: 'J.', metadata: { more: 1 } }]);
  expect(await readReport(again)).toEqual(['John.Smith@email.com,true,false']);
  expect(again.result).toMatchObject({ done_count: 1, failed_count: 0 });
});

test('keeps nulls in metadata and in the address, and empties a field that is null', async () => {
  await runAction(app, path, [{ source_id: 'nulls' }]);
  const fresh = await readCustomer(app, 'nulls');
  expect(fresh).toMatchObject({ address: null });
  for (const absent of ['metadata', 'name', 'birthdate']) expect(fresh).not.toHaveProperty(absent);

  await runAction(app, path, [
    { source_id: 'nulls', name: 'N', address: { city: 'Warsaw', country: 'Poland' }, metadata: { test: 123 } },
  ]);
  expect(await readCustomer(app, 'nulls')).toMatchObject({
    address: { city: 'Warsaw', country: 'Poland' },
    metadata: { test: 123 },
  });
  await runAction(app, path, [
    { source_id: 'nulls', name: null, address: { city: null, country: null }, metadata: { test: null } },
  ]);
  const emptied = await readCustomer(app, 'nulls');
  expect(emptied).toMatchObject({ address: { city: null, country: null }, metadata: { test: null } });
  expect(emptied).not.toHaveProperty('name');
  await runAction(app, path, [{ source_id: 'nulls', address: null }]);
  expect(await readCustomer(app, 'nulls')).toMatchObject({ address: null, metadata: { test: null } });

  const given = { sourceId: 'nulls', phone: null, address: { line1: null, postalCode: '1' }, metadata: { more: null } };
  await runMutation(app, 'bulkUpdateCustomers', { customers: [given] });
  expect(await readCustomer(app, 'nulls')).toMatchObject({
    address: { line_1: null, postal_code: '1' },
    metadata: { test: null, more: null },
  });
});

test.each([
  [
    'no source id',
    { name: 'N' },
    '',
    "source_id: must be a string, property is required (actual value is 'undefined')",
  ],
  ['a number as source id', { source_id: 5 }, '', "source_id: must be a string (actual value is '5')"],
  ['an empty source id', { source_id: '' }, '', "source_id: must have at least 1 characters (actual value is '')"],
  ['a name that is none', { source_id: 'b1', name: 7 }, 'b1', "name: must be a string (actual value is '7')"],
  [
    'a birthdate of another form',
    { source_id: 'b2', birthdate: '31/12/2000' },
    'b2',
    "birthdate: must be an ISO 8601 date (actual value is '31/12/2000')",
  ],
  [
    'metadata that is a list',
    { source_id: 'b3', metadata: [1] },
    'b3',
    "metadata: must be an object (actual value is '[1]')",
  ],
  [
    'an address that is a text',
    { source_id: 'b4', address: 'Main St.' },
    'b4',
    "address: must be an object (actual value is 'Main St.')",
  ],
  ['NUL in a text', { source_id: 'b5', name: 'a\0' }, 'b5', 'name: must not contain NUL or half a surrogate pair'],
])('refuses an item with %s and writes the others', async (what, item, source_id, details) => {
  const action = await runAction(app, path, [item, { source_id: `good after ${what}` }]);
  expect(action.result).toMatchObject({ done_count: 1, failed_count: 1 });
  expect(action.result.errors).toEqual([{ source_id, key: 'invalid_payload', message: 'Invalid payload', details }]);
  expect(await readCustomer(app, `good after ${what}`)).toMatchObject({ object: 'customer' });
});

test('writes thousands of customers, refuses the bad ones, and reports on each', async () => {
  const known = Array.from({ length: 2_500 }, (_, index) => ({ source_id: `bulk-${index * 2}`, phone: 'kept' }));
  await runAction(app, path, known);
  const items = Array.from({ length: 5_000 }, (_, index) => ({
    source_id: `bulk-${index}`,
    name: index % 10 === 7 ? index : `Name ${index}`,
    metadata: { index },
  }));
  const action = await runMutation(app, 'bulkUpdateCustomers', {
    customers: items.map(({ source_id, ...rest }) => ({ sourceId: source_id, ...rest, name: String(rest.name) })),
  });
  expect(action.result).toMatchObject({ done_count: 5_000, failed_count: 0 });
  expect(await readReport(action)).toEqual([
    ...items.map(({ source_id }, index) => `${source_id},${index % 2 === 0},true`),
  ]);
  const mixed = await runAction(app, path, items);
  expect(mixed.result).toMatchObject({ done_count: 4_500, failed_count: 500 });
  expect(mixed.result.errors).toHaveLength(500);
  expect(await readReport(mixed)).toEqual([
    ...items.map(({ source_id, name }) => `${source_id},${typeof name === 'string'},false`),
  ]);
  expect(await readCustomer(app, 'bulk-4998')).toMatchObject({
    name: 'Name 4998',
    phone: 'kept',
    metadata: { index: 4998 },
  });
  expect(await readCustomer(app, 'bulk-4999')).toMatchObject({ name: 'Name 4999', metadata: { index: 4999 } });
});

test('of a source id that stands twice each is written after the other', async () => {
  const action = await runAction(app, path, [
    { source_id: 'twice', name: 'First', email: 'first@example.com', metadata: { a: 1 } },
    { source_id: 'twice', name: 'Second', metadata: { b: 2 } },
    { source_id: 'twice', name: 'Second' },
  ]);
  expect(await readReport(action)).toEqual(['twice,false,true', 'twice,true,true', 'twice,true,false']);
  expect(await readCustomer(app, 'twice')).toMatchObject({
    name: 'Second',
    email: 'first@example.com',
    metadata: { a: 1, b: 2 },
  });
});

test('two requests that create the same customers at once lose nothing of each other', async () => {
  const ids = Array.from({ length: 4_000 }, (_, index) => `race-${index}`);
  const [first, second] = await Promise.all([
    runAction(
      app,
      path,
      ids.map((source_id) => ({ source_id, name: 'N', metadata: { first: true } })),
    ),
    runAction(
      app,
      path,
      ids.toReversed().map((source_id) => ({ source_id, phone: 'P', metadata: { second: true } })),
    ),
  ]);
  expect([first.result.failed_count, second.result.failed_count]).toEqual([0, 0]);
  const rows = await app.app.db
    .selectFrom('customers')
    .select(['name', 'phone', 'metadata'])
    .where('source_id', 'like', 'race-%')
    .execute();
  const whole = { name: 'N', phone: 'P', metadata: { first: true, second: true } };
  expect(rows).toHaveLength(4_000);
  expect(rows.filter((row) => JSON.stringify(row) !== JSON.stringify(whole))).toEqual([]);
  const created = [...(await readReport(first)), ...(await readReport(second))].filter((line) =>
    line.includes(',false,true'),
  );
  expect(created).toHaveLength(4_000);
});

test('answers a request without a body, or with an empty list, with an action that has ended', async () => {
  for (const body of [undefined, []]) {
    const action = await runAction(app, path, body);
    expect(action).toMatchObject({ status: 'DONE', result: { done_count: 0, failed_count: 0, errors: [] } });
    expect(await readReport(action)).toEqual([]);
  }
  const { headers } = app.project;
  const bare = await fetch(`${app.url}${path}`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
  });
  expect(bare.status).toBe(202);
});

test('checks metadata by the schema of customers: what is required only of new ones', async () => {
  await runAction(app, path, [{ source_id: 'old' }]);
  await defineMetadata(app, 'customer', {
    level: { type: 'number', array: false, optional: true },
    channel: { type: 'string', array: false, optional: false, eq: ['Facebook', 'Twitter'] },
  });
  const action = await runAction(app, path, [
    { source_id: 'old', metadata: { level: 1 } },
    { source_id: 'old', metadata: { level: 'high' } },
    { source_id: 'new-1', metadata: { level: 1 } },
    { source_id: 'new-2', metadata: { level: 1, channel: 'Twitter' } },
  ]);
  await defineMetadata(app, 'customer', {});
  expect(action.result.errors).toEqual([
    {
      source_id: 'old',
      key: 'metadata_validation_failed',
      message: 'Metadata validation failed',
      details: "level: must be a number (actual value is 'high')",
    },
    {
      source_id: 'new-1',
      key: 'metadata_validation_failed',
      message: 'Metadata validation failed',
      details:
        "channel: must be a string, property is required, must be equal to one of Facebook,Twitter (actual value is 'undefined')",
    },
  ]);
  expect(await readReport(action)).toEqual([
    'old,true,true',
    'old,true,false',
    'new-1,false,false',
    'new-2,false,true',
  ]);
});
