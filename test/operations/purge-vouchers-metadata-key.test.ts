import { beforeAll, expect, test } from 'vitest';
import { readVoucher, runAction } from '../support/actions.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { runMutation } from '../support/mutations.ts';

let app: TestApp;
const path = '/v1/vouchers/metadata/purge/async';

beforeAll(async () => {
  app = await startTestApp();
});

const create = (count: number, prefix: string, metadata: object, target = app) =>
  runAction(
    target,
    '/v1/vouchers/import',
    Array.from({ length: count }, (_, index) => ({ code: `${prefix}-${index}`, gift: { amount: 1 }, metadata })),
  );

test.each([
  ['REST', (key: string) => runAction(app, path, { key })],
  ['GraphQL', (key: string) => runMutation(app, 'purgeVouchersMetadataKey', { key })],
])('removes one key from thousands of vouchers over %s and counts those that had it', async (door, run) => {
  await create(6_000, `${door}-WITH`, { [door]: null, kept: 1 });
  await create(10, `${door}-WITHOUT`, { kept: 1 });
  const action = await run(door);
  expect(action).toMatchObject({ type: 'VOUCHERS.METADATA_KEY_PURGE', status: 'DONE' });
  expect(action.result).toEqual({ message: 'Updated 6000 vouchers.', done_count: 6_000 });
  expect(await readVoucher(app, `${door}-WITH-5999`)).toMatchObject({
    metadata: { kept: 1 },
    updated_at: expect.any(String),
  });
  expect(await readVoucher(app, `${door}-WITHOUT-0`)).toMatchObject({ metadata: { kept: 1 }, updated_at: null });
  expect((await run(door)).result).toEqual({ message: 'Updated 0 vouchers.', done_count: 0 });
});

test('leaves the vouchers of another project alone', async () => {
  const other = { ...app, project: await app.createProject() };
  await create(1, 'THEIRS', { shared: 1 }, other);
  await create(1, 'OURS', { shared: 1 });
  expect((await runAction(app, path, { key: 'shared' })).result.done_count).toBe(1);
  expect(await readVoucher(other, 'THEIRS-0')).toMatchObject({ metadata: { shared: 1 } });
});

test.each([
  ['no bytes', '', "Payload should have required property 'key'"],
  ['a key that is no text', '{"key":5}', 'Property .key should be string'],
  ['an empty key', '{"key":""}', 'Property .key cannot be lower than 1'],
])('refuses %s', async (_what, body, details) => {
  const headers = { ...app.project.headers, 'content-type': 'application/json' };
  const response = await fetch(`${app.url}${path}`, { method: 'POST', headers, body });
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ key: 'invalid_payload', details });
});
