import { beforeAll, expect, test } from 'vitest';
import { readBack, runAction } from '../support/actions.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { runMutation } from '../support/mutations.ts';

let app: TestApp;

beforeAll(async () => {
  app = await startTestApp();
});

test('removes one key from all products that have it, and nothing else', async () => {
  const other = { ...app, project: await app.createProject() };
  const products = Array.from({ length: 6_000 }, (_, index) => ({
    source_id: `P-${index}`,
    metadata: index % 3 === 0 ? { keep: 1 } : { keep: 1, 'old key': index },
  }));
  await runAction(app, '/v1/products/bulk/async', products);
  await runAction(other, '/v1/products/bulk/async', [{ source_id: 'P-1', metadata: { 'old key': 1 } }]);

  const { type, result } = await runMutation(app, 'purgeProductsMetadataKey', { key: 'old key' });
  expect(type).toBe('PRODUCTS.METADATA_KEY_PURGE');
  expect(result).toEqual({ message: 'Updated 4000 products.', done_count: 4_000 });
  expect(await readBack(app, '/v1/products/P-1')).toMatchObject({
    metadata: { keep: 1 },
    updated_at: expect.any(String),
  });
  expect((await readBack(app, '/v1/products/P-5999')).metadata).toEqual({ keep: 1 });
  expect(await readBack(app, '/v1/products/P-0')).toMatchObject({ metadata: { keep: 1 }, updated_at: null });
  expect(await readBack(other, '/v1/products/P-1')).toMatchObject({ metadata: { 'old key': 1 } });

  const again = await runAction(app, '/v1/products/metadata/purge/async', { key: 'old key' });
  expect(again.result).toEqual({ message: 'Updated 0 products.', done_count: 0 });
});
