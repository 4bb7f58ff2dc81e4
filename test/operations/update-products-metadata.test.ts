import { beforeAll, expect, test } from 'vitest';
import { readBack, readReport, runAction } from '../support/actions.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { defineMetadata } from '../support/mutations.ts';

let app: TestApp;
const path = '/v1/products/metadata/async';

beforeAll(async () => {
  app = await startTestApp();
});

const read = (id: string, where = app) => readBack(where, `/v1/products/${encodeURIComponent(id)}`);

test('writes the same metadata to thousands of products, makes the unknown, refuses the bad', async () => {
  const known = Array.from({ length: 3_000 }, (_, index) => `K-${index}`);
  await runAction(
    app,
    '/v1/products/bulk/async',
    known.map((source_id) => ({ source_id, name: source_id, metadata: { a: 1 } })),
  );
  const source_ids = [...known, 'unknown', 5, '', 'x'.repeat(256)];
  const action = await runAction(app, path, { source_ids, metadata: { b: 2, gone: null } });
  expect(action).toMatchObject({ type: 'PRODUCTS.METADATA_UPDATE', operation_status: 'SUCCESS' });
  expect(action.result).toMatchObject({ done_count: 3_001, failed_count: 3 });
  expect(action.result.errors.map(({ details }) => details)).toEqual([
    "source_id: must be a string (actual value is '5')",
    "source_id: must have at least 1 characters (actual value is '')",
    expect.stringMatching(/^source_id: must have at most 255 characters /),
  ]);
  const report = await readReport(action);
  expect(report.slice(0, 3_001)).toEqual([...known.map((id) => `${id},true,true`), 'unknown,false,true']);
  expect(await read('K-2999')).toMatchObject({ name: 'K-2999', metadata: { a: 1, b: 2, gone: null } });
  expect(await read('unknown')).toMatchObject({ name: null, metadata: { b: 2, gone: null } });
});

test('refuses every product when the metadata does not fit the schema', async () => {
  const other = { ...app, project: await app.createProject() };
  await defineMetadata(other, 'product', { weight: { type: 'number' } });
  const { result } = await runAction(other, path, { source_ids: ['w'], metadata: { weight: 'heavy' } });
  expect(result).toMatchObject({ done_count: 0, failed_count: 1 });
  expect(result.errors).toEqual([
    {
      key: 'metadata_validation_failed',
      message: 'Metadata validation failed',
      details: "weight: must be a number (actual value is 'heavy')",
      source_id: 'w',
    },
  ]);
  expect(await read('w', other)).toMatchObject({ code: 404 });
});

test.each([
  ['no bytes', undefined],
  ['neither list nor metadata', {}],
  ['metadata alone', { metadata: { a: 1 } }],
])('succeeds at once for %s', async (_what, body) => {
  const { status, result } = await runAction(app, path, body);
  expect({ status, result }).toMatchObject({ status: 'DONE', result: { done_count: 0, failed_count: 0, errors: [] } });
});
