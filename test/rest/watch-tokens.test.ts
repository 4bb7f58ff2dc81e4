import { beforeAll, expect, test } from 'vitest';
import { issueWatchToken } from '../../src/auth/tokens.ts';
import type { ActionWithResult } from '../../src/rest/async-action/shapes.ts';
import type { TaskStatus } from '../../src/rest/bulk-issuance/shapes.ts';
import { printedOpenApi } from '../../src/rest/openapi.ts';
import { checkAsyncAction, checkIssuance } from '../support/contracts.ts';
import { secret, startTestApp, type TestApp } from '../support/gateway.ts';
import { type Client, createClient } from './client.ts';

type Headers = Readonly<Record<string, string>>;

let app: TestApp;
let client: Client;
let issuance: TaskStatus;
let action: ActionWithResult;

beforeAll(async () => {
  app = await startTestApp();
  client = createClient(app);
  issuance = await client.issue(60);
  const vouchers = [{ code: 'SECRET', gift: { amount: 1 } }, { code: 'SECRET' }];
  const { body } = await client.post<{ async_action_id: string }>('/v1/vouchers/import', vouchers);
  action = await client.ended(body.async_action_id);
});

async function watcher(taskId: string): Promise<Headers> {
  const owner = { projectId: app.project.id, kind: 'KEY', name: app.project.appId } as const;
  return { authorization: `Bearer ${await issueWatchToken(secret, owner, taskId, new Date(Date.now() + 600_000))}` };
}

test('polls its issuance, and is shown no cards', async () => {
  const path = `${client.bulk}/${issuance.taskId}`;
  const headers = await watcher(issuance.taskId);
  const byOwner = await client.get<TaskStatus>(path);
  const byWatcher = await client.get<TaskStatus>(path, { headers });
  expect(byOwner.body.cards).toHaveLength(60);
  expect([byWatcher.status, byWatcher.body]).toEqual([200, { ...byOwner.body, cards: null, csvDownloadUrl: null }]);
  checkIssuance('BulkIssuanceTaskStatus', byWatcher.body);
  expect(byWatcher.headers.get('etag')).not.toBe(byOwner.headers.get('etag'));
  const card = await client.get<TaskStatus>(`${path}?cardId=${byOwner.body.cards?.[0]?.id}`, { headers });
  expect(card.body.cards).toBe(null);
});

test('polls its async action, and is shown no items', async () => {
  const path = `/v1/async-actions/${action.id}`;
  const { status, body } = await client.get<ActionWithResult>(path, { headers: await watcher(action.id) });
  expect(action.result).toMatchObject({ failed: [{ code: 'SECRET' }] });
  expect([status, body]).toEqual([200, { ...action, result: { ...action.result, failed: [] } }]);
  checkAsyncAction('AsyncActionGetResponseBody', body);
});

test('polls its bulk update, and is given no report', async () => {
  const change = { codes: ['SECRET', 'NONE'], metadata: { a: 1 } };
  const { body } = await client.post<{ async_action_id: string }>('/v1/vouchers/metadata/async', change);
  const update = await client.ended(body.async_action_id);
  expect(update.result).toMatchObject({ reports: [expect.stringContaining('report.csv')], errors: [{}] });
  const path = `/v1/async-actions/${update.id}`;
  const watched = await client.get<ActionWithResult>(path, { headers: await watcher(update.id) });
  expect(watched.body).toEqual({ ...update, result: { ...update.result, reports: [], errors: [] } });
});

test('gets 304 for what it has, and no body for HEAD', async () => {
  const path = `/v1/async-actions/${action.id}`;
  const headers = await watcher(action.id);
  const tag = (await client.get(path, { headers })).headers.get('etag') ?? '';
  expect((await client.get(path, { headers: { ...headers, 'if-none-match': tag } })).status).toBe(304);
  const head = await client.call('HEAD', path, { headers });
  expect([head.status, head.text]).toEqual([200, '']);
});

test('takes other tasks for unknown ones', async () => {
  const headers = await watcher(action.id);
  const other = await client.get(`${client.bulk}/${issuance.taskId}`, { headers });
  const unknown = await client.get(`${client.bulk}/00000000-0000-4000-8000-000000000000`, { headers });
  expect([other.status, other.text]).toEqual([unknown.status, unknown.text]);
  expect(other.status).toBe(404);
  const ofIssuance = await watcher(issuance.taskId);
  const otherAction = await client.get(`/v1/async-actions/${action.id}`, { headers: ofIssuance });
  expect([otherAction.status, otherAction.body.key]).toEqual([404, 'not_found']);
  // Not by the path of the other model either.
  expect((await client.get(`/v1/async-actions/${issuance.taskId}`, { headers: ofIssuance })).status).toBe(404);
});

test('opens no other route, before a body is read', async () => {
  const headers = await watcher(action.id);
  const polls = ['/v1/async-actions/{asyncActionId}', '/v2/giftcards/programs/{programId}/cards/bulk/{taskId}'];
  polls.push(...polls.map((path) => `${path}/events`));
  const { paths }: { paths: Record<string, Record<string, { security?: object[] }>> } = JSON.parse(printedOpenApi());
  const routes = Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations)
      .filter(([, { security }]) => security === undefined && !polls.includes(path))
      .map(([method]) => [method.toUpperCase(), path] as const),
  );
  expect(routes.length).toBeGreaterThan(40);
  const answers: unknown[] = [];
  for (const [method, path] of routes) {
    const body = method === 'GET' || method === 'HEAD' ? {} : { body: 'no JSON' };
    const to = path.replace('{programId}', app.project.programId).replaceAll(/\{\w+\}/g, 'x');
    const { status } = await client.call(method, to, {
      headers: { ...headers, 'content-type': 'application/json' },
      ...body,
    });
    answers.push([method, path, status]);
  }
  expect(answers).toEqual(routes.map(([method, path]) => [method, path, 403]));
});

test('is no credential for a token, and none of the links that it was not given', async () => {
  const headers = { ...(await watcher(issuance.taskId)), 'content-type': 'application/x-www-form-urlencoded' };
  const body = 'grant_type=client_credentials&scope=api';
  expect((await client.call('POST', '/v1/oauth/token', { headers, body })).status).toBe(403);
  const csv = `${client.bulk}/${issuance.taskId}/cards.csv`;
  expect((await client.get(csv, { headers: await watcher(issuance.taskId) })).status).toBe(403);
});
