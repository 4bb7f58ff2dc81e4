import { beforeAll, expect, test } from 'vitest';
import { giveUpChunk, runChunk } from '../../src/tasks/run.ts';
import { csvForm } from '../support/actions.ts';
import { campaignsOf } from '../support/campaigns.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';

let app: TestApp;
let campaigns: ReturnType<typeof campaignsOf>;
const inProgress = { creation_status: 'IN_PROGRESS', vouchers_generation_status: 'IN_PROGRESS' };
const modifying = { creation_status: 'MODIFYING', vouchers_generation_status: 'MODIFYING' };
const done = { creation_status: 'DONE', vouchers_generation_status: 'DONE' };
const failed = { creation_status: 'FAILED', vouchers_generation_status: 'FAILED' };

/** Nobody works on jobs here: each test applies the chunks that it wants applied. */
beforeAll(async () => {
  app = await startTestApp({ role: 'gateway' });
  campaigns = campaignsOf(app);
});

const run = (taskId: string, chunk = 0) => runChunk(app.app.engine, { taskId, chunk });
const giveUp = (taskId: string, chunk = 0) => giveUpChunk(app.app.engine, { taskId, chunk });

async function newestTask(): Promise<string> {
  const { body } = await campaigns.call<{ async_actions: { id: string }[] }>('GET', '/v1/async-actions?limit=1');
  return body.async_actions[0]?.id ?? 'none';
}

async function generate(name: string, count: number): Promise<string> {
  const path = `${campaigns.path(name)}/vouchers?vouchers_count=${count}`;
  const { body } = await campaigns.call<{ async_action_id: string }>('POST', path, { body: {} });
  return body.async_action_id;
}

async function update(name: string, fields: object): Promise<string> {
  await campaigns.update(name, fields);
  return newestTask();
}

async function importCsv(name: string, text: string): Promise<string> {
  const url = `${app.url}${campaigns.path(name)}/importCSV`;
  const answer = await fetch(url, { method: 'POST', headers: app.project.headers, body: csvForm(text) });
  return ((await answer.json()) as { async_action_id: string }).async_action_id;
}

async function createWithVouchers(name: string): Promise<void> {
  await campaigns.create(name);
  await run(await generate(name, 2));
  expect(await campaigns.read(name)).toMatchObject(done);
}

test('a campaign is DONE only when the last of the tasks on it has ended', async () => {
  await campaigns.create('Three', { vouchers_count: 5_001 });
  const creation = await newestTask();
  await run(creation, 0);
  expect(await campaigns.read('Three')).toMatchObject(inProgress);
  const change = await update('Three', { category: 'New' });
  const addition = await importCsv('Three', 'Code\nTHREE-1\n');
  await run(change, 0);
  await run(change, 1);
  await run(change, 2);
  await run(creation, 1);
  expect(await campaigns.read('Three')).toMatchObject(inProgress);
  await run(addition);
  expect(await campaigns.read('Three')).toMatchObject({ ...done, vouchers_count: 5_002 });
});

test('the last of tasks that end at the same time leaves it DONE', async () => {
  await createWithVouchers('Together');
  const tasks = [
    await generate('Together', 2),
    await update('Together', { category: 'A' }),
    await update('Together', { category: 'B' }),
    await importCsv('Together', 'Code\nTOGETHER-1\n'),
  ];
  await Promise.all(tasks.map((id) => run(id)));
  expect(await campaigns.read('Together')).toMatchObject({ ...done, vouchers_count: 5 });
});

test('an import makes it IN_PROGRESS, and one without rows leaves it as it was', async () => {
  await campaigns.create('Imports');
  const { body } = await campaigns.call<{ async_action_id: string }>('POST', `${campaigns.path('Imports')}/import`, {
    body: [{ code: 'IMPORTS-1' }],
  });
  expect(await campaigns.read('Imports')).toMatchObject(inProgress);
  await importCsv('Imports', 'Code\n');
  await campaigns.call('POST', `${campaigns.path('Imports')}/import`, { body: [] });
  expect(await campaigns.read('Imports')).toMatchObject(inProgress);
  await run(body.async_action_id);
  expect(await campaigns.read('Imports')).toMatchObject(done);
  await importCsv('Imports', 'Code\n');
  await campaigns.call('POST', `${campaigns.path('Imports')}/import`, { body: [] });
  expect(await campaigns.read('Imports')).toMatchObject(done);
});

test('an update that finds nothing to change does not hide that others still work', async () => {
  await campaigns.create('Nothing', { vouchers_count: 2 });
  const creation = await newestTask();
  await campaigns.update('Nothing', { category: 'New' });
  expect(await campaigns.read('Nothing')).toMatchObject({ ...inProgress, category: 'New' });
  await run(creation);
  expect(await campaigns.read('Nothing')).toMatchObject(done);
});

test('one that could not be carried out stays visible after others have ended, until a later one begins', async () => {
  await createWithVouchers('Failing');
  const [bad, good] = [await generate('Failing', 2), await update('Failing', { category: 'New' })];
  await giveUp(bad);
  expect(await campaigns.read('Failing')).toMatchObject(failed);
  await run(good);
  expect(await campaigns.read('Failing')).toMatchObject(failed);
  const later = await update('Failing', { category: 'Newer' });
  expect(await campaigns.read('Failing')).toMatchObject(modifying);
  await run(later);
  expect(await campaigns.read('Failing')).toMatchObject(done);
});
