import { beforeAll, expect, test } from 'vitest';
import { readReport, readVoucher, runAction } from '../support/actions.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { defineMetadata, runMutation } from '../support/mutations.ts';

let app: TestApp;
const path = '/v1/vouchers/metadata/async';

beforeAll(async () => {
  app = await startTestApp();
});

const create = (...codes: string[]) =>
  runAction(
    app,
    '/v1/vouchers/import',
    codes.map((code) => ({ code, gift: { amount: 1 }, metadata: { kept: true } })),
  );

test.each([
  ['REST', (input: object) => runAction(app, path, input)],
  ['GraphQL', (input: object) => runMutation(app, 'updateVouchersMetadata', input)],
])('writes the same metadata to thousands of vouchers over %s, and refuses the unknown', async (door, run) => {
  const codes = Array.from({ length: 4_000 }, (_, index) => `${door}-${index}`);
  await create(...codes);
  const action = await run({ codes: [...codes, 'unknown'], metadata: { door, none: null } });
  expect(action).toMatchObject({ type: 'VOUCHERS.METADATA_UPDATE', status: 'DONE', operation_status: 'SUCCESS' });
  expect(action.result).toMatchObject({
    done_count: 4_000,
    failed_count: 1,
    errors: [{ key: 'not_found', message: 'Resource not found', details: 'Cannot find voucher with id unknown' }],
  });
  expect((await readReport(action)).at(-1)).toBe('unknown,false,false');
  expect(await readVoucher(app, `${door}-3999`)).toMatchObject({ metadata: { kept: true, door, none: null } });
});

test('refuses items that are no codes and goes on with the rest', async () => {
  await create('GOOD');
  const { result } = await runAction(app, path, { codes: [5, 'a\0', '', 'GOOD'], metadata: { seen: true } });
  expect(result.errors.map(({ details }) => details)).toEqual([
    "code: must be a string of 1 to 255 characters (actual value is '5')",
    expect.stringContaining('must not contain NUL'),
    "code: must be a string of 1 to 255 characters (actual value is '')",
  ]);
  expect(await readVoucher(app, 'GOOD')).toMatchObject({ metadata: { seen: true } });
});

test('asks the metadata schema, and finds no voucher in the bin', async () => {
  await create('SCHEMA', 'BINNED');
  await app.app.db.updateTable('vouchers').set({ deleted_at: new Date() }).where('code', '=', 'BINNED').execute();
  await defineMetadata(app, 'voucher', { unit: { type: 'number' } });
  const { result } = await runAction(app, path, { codes: ['SCHEMA', 'BINNED'], metadata: { unit: 'EUR' } });
  expect(result.errors).toEqual([
    {
      key: 'metadata_validation_failed',
      message: 'Metadata validation failed',
      details: "unit: must be a number (actual value is 'EUR')",
      code: 'SCHEMA',
    },
    expect.objectContaining({ key: 'not_found', code: 'BINNED' }),
  ]);
});

test.each([
  ['no bytes', undefined],
  ['no lists', {}],
  ['an empty list', { codes: [], metadata: { a: 1 } }],
])('succeeds at once for %s', async (_what, body) => {
  const { status, result } = await runAction(app, path, body);
  expect(status).toBe('DONE');
  expect(result).toMatchObject({ done_count: 0, failed_count: 0, errors: [] });
});

test('refuses a body whose parts are of another kind as a whole', async () => {
  const send = (body: object) =>
    fetch(`${app.url}${path}`, {
      method: 'POST',
      headers: { ...app.project.headers, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }).then(async (response) => [response.status, ((await response.json()) as { details: string }).details]);
  expect(await send({ codes: 'A', metadata: {} })).toEqual([400, 'Property .codes should be array']);
  expect(await send({ codes: ['A'], metadata: 'x' })).toEqual([400, 'Property .metadata should be object']);
});
