import { beforeAll, expect, test } from 'vitest';
import { createClient } from '../rest/client.ts';
import { readCustomer, runAction } from '../support/actions.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { runMutation } from '../support/mutations.ts';

let app: TestApp;
const path = '/v1/customers/metadata/purge/async';

beforeAll(async () => {
  app = await startTestApp();
  const customers = Array.from({ length: 6_000 }, (_, index) => ({
    source_id: `c-${index}`,
    metadata: index % 3 === 0 ? { kept: index } : { old: index, ...(index % 3 === 1 && { kept: index }) },
  }));
  await runAction(app, '/v1/customers/bulk/async', [...customers, { source_id: 'bare' }]);
});

test('removes one key from all customers of the project that have it, and from no other project', async () => {
  const other = { ...app, project: await app.createProject() };
  await runAction(other, '/v1/customers/bulk/async', [{ source_id: 'c-1', metadata: { old: 1 } }]);
  const action = await runAction(app, path, { key: 'old' });
  expect(action).toMatchObject({ type: 'CUSTOMERS.METADATA_KEY_PURGE', status: 'DONE', operation_status: 'SUCCESS' });
  expect(action.result).toEqual({ message: 'Updated 4000 customers.', done_count: 4_000 });
  expect(await readCustomer(app, 'c-0')).toMatchObject({ metadata: { kept: 0 } });
  expect(await readCustomer(app, 'c-1')).toMatchObject({ metadata: { kept: 1 }, updated_at: expect.any(String) });
  expect(await readCustomer(app, 'c-2')).not.toHaveProperty('metadata');
  expect(await readCustomer(other, 'c-1')).toMatchObject({ metadata: { old: 1 } });
});

test('is started by its mutation too, and updates nothing where nobody has the key', async () => {
  const action = await runMutation(app, 'purgeCustomersMetadataKey', { key: 'old' });
  expect(action.result).toEqual({ message: 'Updated 0 customers.', done_count: 0 });
});

test('refuses a start without a key', async () => {
  const { status, body } = await createClient(app).post(path, {});
  expect([status, body]).toEqual([
    400,
    expect.objectContaining({ details: "Payload should have required property 'key'" }),
  ]);
});
