import { beforeAll, expect, test } from 'vitest';
import { pauseTask } from '../../src/tasks/steer.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { type Client, createClient } from './client.ts';

let app: TestApp;
let client: Client;

beforeAll(async () => {
  app = await startTestApp({ role: 'gateway' });
  client = createClient(app);
});

const cards = { initialValue: 5, count: 60 };
const vouchers = [{ code: 'A', type: 'GIFT_VOUCHER', gift: { amount: 1 } }];

test('a start says who asked for it', async () => {
  const { body: issuance } = await client.post<{ taskId: string }>(client.bulk, cards);
  const { body: action } = await client.post<{ async_action_id: string }>('/v1/vouchers/import', vouchers);
  expect(await readRow(issuance.taskId)).toMatchObject({ started_by: app.project.appId });
  expect(await readRow(action.async_action_id)).toMatchObject({ started_by: app.project.appId });
});

test.each([
  ['HIGH', 1],
  [' low ', -1],
  [undefined, 0],
])('a start with the priority %j is stored with %i', async (header, priority) => {
  const headers = header === undefined ? {} : { 'x-task-priority': header };
  const { body: issuance } = await client.post<{ taskId: string }>(client.bulk, cards, headers);
  const { body: action } = await client.post<{ async_action_id: string }>('/v1/vouchers/import', vouchers, headers);
  for (const id of [issuance.taskId, action.async_action_id]) expect(await readRow(id)).toMatchObject({ priority });
});

test('a priority that there is none of is refused with those that there are', async () => {
  const headers = { 'x-task-priority': 'urgent' };
  const answers = [
    await client.post(client.bulk, cards, headers),
    await client.post('/v1/vouchers/import', vouchers, headers),
  ];
  expect(answers.map(({ status }) => status)).toEqual([422, 400]);
  expect(answers[0]?.text).toContain('"loc":["header","X-Task-Priority"]');
  for (const { text } of answers) expect(text).toContain('X-Task-Priority should be one of LOW, NORMAL, HIGH');
});

test('a poll of a paused task asks to come back later than one of a task that waits', async () => {
  const { body } = await client.post<{ taskId: string }>(client.bulk, cards);
  const path = `${client.bulk}/${body.taskId}`;
  expect((await client.get(path)).headers.get('retry-after')).toBe('1');
  await pauseTask(app.app.engine, { id: body.taskId, projectId: app.project.id, actor: 'test' });
  const isLater = async () => (await client.get(path)).headers.get('retry-after');
  await expect.poll(isLater, { timeout: 5_000 }).toBe('30');
});

function readRow(id: string) {
  return app.app.db.selectFrom('tasks').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
}
