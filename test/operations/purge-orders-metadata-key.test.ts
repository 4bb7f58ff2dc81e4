import { beforeAll, expect, test } from 'vitest';
import { ask } from '../graphql/client.ts';
import { endedAction, readBack, runAction } from '../support/actions.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';

let app: TestApp;

beforeAll(async () => {
  app = await startTestApp();
});

async function importOrders(prefix: string, count: number): Promise<void> {
  const orders = Array.from({ length: count }, (_, index) => ({
    source_id: `${prefix} ${index}`,
    metadata: index % 2 === 0 ? { color: 'red', size: index } : { size: index },
  }));
  const { result } = await runAction(app, '/v1/orders/import', orders);
  expect(result.failed_count).toBe(0);
}

test('removes the key from every order that has it, and counts those', async () => {
  await importOrders('a', 2000);
  await importOrders('b', 2000);
  const { result } = await runAction(app, '/v1/orders/metadata/purge/async', { key: 'color' });
  expect(result).toEqual({ message: 'Updated 2000 orders.', done_count: 2000 });
  expect(await readBack(app, '/v1/orders/a%20100')).toMatchObject({ metadata: { size: 100 } });
  const left = await app.app.db.selectFrom('orders').select('metadata').execute();
  expect(left.every(({ metadata }) => !('color' in metadata) && 'size' in metadata)).toBe(true);
});

test('starts through GraphQL, and leaves other projects alone', async () => {
  const other = { ...app, project: await app.createProject() };
  await runAction(other, '/v1/orders/import', [{ source_id: 'theirs', metadata: { weight: 1 } }]);
  await runAction(app, '/v1/orders/import', [{ source_id: 'ours', metadata: { weight: 1 } }]);
  const query = `mutation { purgeOrdersMetadataKey(input: { key: "weight" }) { task { id type } } }`;
  const { data } = await ask<{ purgeOrdersMetadataKey: { task: { id: string; type: string } } }>(app, query);
  expect(data.purgeOrdersMetadataKey.task.type).toBe('ORDERS_METADATA_KEY_PURGE');
  const { result } = await endedAction(app, data.purgeOrdersMetadataKey.task.id);
  expect(result).toEqual({ message: 'Updated 1 orders.', done_count: 1 });
  expect(await readBack(other, '/v1/orders/theirs')).toMatchObject({ metadata: { weight: 1 } });
});
