import { beforeAll, expect, test } from 'vitest';
import { createClient } from '../rest/client.ts';
import { readCustomer, readReport, runAction } from '../support/actions.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { defineMetadata, runMutation } from '../support/mutations.ts';

let app: TestApp;
const path = '/v1/customers/metadata/async';

beforeAll(async () => {
  app = await startTestApp();
});

test('merges the same metadata into every customer, keeps null, and creates the unknown', async () => {
  await createClient(app).post('/v1/customers', {
    source_id: 'source_123',
    name: 'N',
    metadata: { lang: 'de', kept: 1 },
  });
  const action = await runAction(app, path, {
    source_ids: ['source_123', 'source_456', 'source_123'],
    metadata: { lang: 'en', test: null },
  });
  expect(action).toMatchObject({ type: 'CUSTOMERS.METADATA_UPDATE', operation_status: 'SUCCESS' });
  expect(action.result).toMatchObject({ done_count: 3, failed_count: 0, errors: [] });
  expect(await readReport(action)).toEqual(['source_123,true,true', 'source_456,false,true', 'source_123,true,false']);
  expect(await readCustomer(app, 'source_123')).toMatchObject({
    name: 'N',
    metadata: { lang: 'en', kept: 1, test: null },
    updated_at: expect.any(String),
  });
  expect(await readCustomer(app, 'source_456')).toMatchObject({ metadata: { lang: 'en', test: null } });
});

test('writes thousands of customers and refuses the bad ones', async () => {
  const ids = Array.from({ length: 5_000 }, (_, index) =>
    index % 100 === 3 ? 'x'.repeat(256 + Math.floor(index / 10)) : `many-${index}`,
  );
  const action = await runMutation(app, 'updateCustomersMetadata', { sourceIds: ids, metadata: { wave: 2 } });
  expect(action.result).toMatchObject({ done_count: 4_950, failed_count: 50 });
  expect(action.result.errors[0]).toEqual({
    source_id: ids[3],
    key: 'invalid_payload',
    message: 'Invalid payload',
    details: expect.stringMatching(/^source_id: must have at most 255 characters/),
  });
  expect(await readReport(action)).toHaveLength(5_000);
  expect(await readCustomer(app, 'many-4999')).toMatchObject({ metadata: { wave: 2 } });
});

test.each([
  ['no body', undefined],
  ['an empty object', {}],
  ['no source ids', { metadata: { a: 1 } }],
])('answers %s with an action that has ended', async (_what, body) => {
  const action = await runAction(app, path, body);
  expect(action).toMatchObject({ status: 'DONE', result: { done_count: 0, failed_count: 0, errors: [] } });
});

test('a source id that is no text is refused, without metadata the others are created', async () => {
  const action = await runAction(app, path, { source_ids: [5, null, '', 'n\0', 'plain'] });
  expect(action.result).toMatchObject({ done_count: 1, failed_count: 4 });
  expect(action.result.errors.map(({ details }) => details)).toEqual([
    "source_id: must be a string (actual value is '5')",
    "source_id: must be a string (actual value is 'null')",
    "source_id: must have at least 1 characters (actual value is '')",
    expect.stringMatching(/^source_id: must not contain NUL/),
  ]);
  expect(await readCustomer(app, 'plain')).toMatchObject({ object: 'customer' });
});

test.each([
  ['metadata that is no object', { source_ids: ['a'], metadata: [1] }, 'Property .metadata should be object'],
  ['source ids that are no list', { source_ids: 'a' }, 'Property .source_ids should be array'],
  ['a list', [1], 'Payload should be object'],
])('refuses %s at once', async (_what, body, details) => {
  const answer = await createClient(app).post(path, body);
  expect([answer.status, answer.body]).toEqual([400, expect.objectContaining({ key: 'invalid_payload', details })]);
});

test('checks the metadata by the schema of customers', async () => {
  await createClient(app).post('/v1/customers', { source_id: 'known' });
  await defineMetadata(app, 'customer', { channel: { type: 'string', array: false, optional: false } });
  const action = await runAction(app, path, { source_ids: ['known', 'unknown'], metadata: { other: 1 } });
  await defineMetadata(app, 'customer', {});
  expect(action.result.errors).toEqual([
    {
      source_id: 'unknown',
      key: 'metadata_validation_failed',
      message: 'Metadata validation failed',
      details: "channel: must be a string, property is required (actual value is 'undefined')",
    },
  ]);
  expect(await readCustomer(app, 'unknown')).toMatchObject({ code: 404 });
});
