import { beforeAll, expect, test } from 'vitest';
import { runAction } from '../support/actions.ts';
import { campaignsOf, mutate } from '../support/campaigns.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';

let app: TestApp;
let campaigns: ReturnType<typeof campaignsOf>;

beforeAll(async () => {
  app = await startTestApp();
  campaigns = campaignsOf(app);
});

test('removes one metadata key from all campaigns that have it', async () => {
  await campaigns.create('A', { metadata: { old: 1, kept: true } });
  await campaigns.create('B', { metadata: { old: null } });
  await campaigns.create('C', { metadata: { older: 1 } });
  const action = await runAction(app, '/v1/campaigns/metadata/purge/async', { key: 'old' });
  expect(action).toMatchObject({
    type: 'CAMPAIGNS.METADATA_KEY_PURGE',
    result: { message: 'Updated 2 campaigns.', done_count: 2 },
  });
  expect((await campaigns.read('A')).metadata).toEqual({ kept: true });
  expect((await campaigns.read('B')).metadata).toEqual({});
  expect((await campaigns.read('C')).metadata).toEqual({ older: 1 });
});

test('is started by its mutation too', async () => {
  await campaigns.create('D', { metadata: { gone: 1 } });
  const { task } = await mutate(app, 'purgeCampaignsMetadataKey', { key: 'gone' });
  expect((await campaigns.ended(String(task?.id))).result).toMatchObject({ done_count: 1 });
  expect((await campaigns.read('D')).metadata).toEqual({});
});
