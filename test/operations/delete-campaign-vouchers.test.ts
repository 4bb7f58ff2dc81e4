import { beforeAll, expect, test } from 'vitest';
import { readVoucher } from '../support/actions.ts';
import { campaignsOf, mutate } from '../support/campaigns.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';

let app: TestApp;
let campaigns: ReturnType<typeof campaignsOf>;

beforeAll(async () => {
  app = await startTestApp();
  campaigns = campaignsOf(app);
});

async function createWith(name: string, vouchers_count: number): Promise<{ id: string; code: string }> {
  const { id } = await campaigns.create(name, { vouchers_count });
  await campaigns.settled(id);
  const [voucher] = await campaigns.vouchers(id, 1);
  return { id, code: String(voucher?.code) };
}

const remove = (idOrName: string, query = '') => campaigns.call('DELETE', `${campaigns.path(idOrName)}${query}`);

test('puts a campaign and thousands of vouchers into the bin: nobody finds them, their names stay taken', async () => {
  const { id, code } = await createWith('Binned', 5000);
  const { status, body } = await remove('Binned');
  expect(status).toBe(202);
  expect(await campaigns.call('GET', campaigns.path('Binned'))).toMatchObject({ status: 404 });
  const action = await campaigns.ended(String(body.async_action_id));
  expect(action).toMatchObject({
    type: 'CAMPAIGN.VOUCHERS_DELETE',
    result: { message: 'Deleted 5000 vouchers.', done_count: 5000 },
  });
  expect(await readVoucher(app, code)).toMatchObject({ code: 404 });
  expect(await campaigns.vouchers(id)).toEqual([]);
  await expect(campaigns.create('Binned')).rejects.toThrow('duplicate_found');
  await campaigns.create('Next');
  const answer = await campaigns.call('POST', `${campaigns.path('Next')}/vouchers`, { body: { code } });
  expect(answer).toMatchObject({ status: 409 });
  expect(await remove(id)).toMatchObject({ status: 404, body: { resource_type: 'campaign', resource_id: id } });
});

test('with force all is gone, and the names are free again', async () => {
  const { code } = await createWith('Forced', 3000);
  const { body } = await remove('Forced', '?force=true');
  const action = await campaigns.ended(String(body.async_action_id));
  expect(action.result).toEqual({ message: 'Deleted 3000 vouchers.', done_count: 3000 });
  expect(await campaigns.create('Forced')).toMatchObject({ vouchers_count: 0 });
  const answer = await campaigns.call('POST', `${campaigns.path('Forced')}/vouchers`, { body: { code } });
  expect(answer).toMatchObject({ status: 200, body: { code } });
});

test('a campaign without vouchers is deleted at once', async () => {
  await campaigns.create('Empty');
  const { body } = await remove('Empty', '?force=true');
  expect((await campaigns.ended(String(body.async_action_id))).result).toEqual({
    message: 'Deleted 0 vouchers.',
    done_count: 0,
  });
  await campaigns.create('Empty');
});

test('what still runs on a campaign that is deleted writes nothing more', async () => {
  const { id } = await campaigns.create('Busy', { vouchers_count: 40_000 });
  const generation = await campaigns.call<{ async_actions: { id: string }[] }>('GET', '/v1/async-actions?limit=1');
  const { body } = await remove(id, '?force=true');
  await campaigns.ended(String(body.async_action_id));
  const generated = await campaigns.ended(String(generation.body.async_actions[0]?.id));
  expect(generated.status).toBe('DONE');
  expect(await campaigns.vouchers(id)).toEqual([]);
  const left = await app.app.db.selectFrom('vouchers').select('id').where('campaign_id', '=', id).execute();
  expect(left).toEqual([]);
});

test('refuses an unknown campaign, a stranger and a force that is no boolean', async () => {
  await createWith('Kept', 1);
  expect(await remove('nobody')).toMatchObject({ status: 404, body: { key: 'not_found', resource_id: 'nobody' } });
  expect(await remove('Kept', '?force=perhaps')).toMatchObject({ status: 400 });
  const stranger = campaignsOf({ ...app, project: await app.createProject() });
  expect(await stranger.call('DELETE', campaigns.path('Kept'))).toMatchObject({ status: 404 });
  expect(await campaigns.read('Kept')).toMatchObject({ vouchers_count: 1 });
});

test('deletes by GraphQL', async () => {
  await createWith('GraphQL', 3);
  const { task } = await mutate(app, 'deleteCampaignVouchers', { campaignId: 'GraphQL' });
  expect((await campaigns.ended(String(task?.id))).result).toEqual({ message: 'Deleted 3 vouchers.', done_count: 3 });
});
