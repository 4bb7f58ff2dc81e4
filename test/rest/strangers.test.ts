import { SignJWT } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import type { ActionList, ActionWithResult } from '../../src/rest/async-action/shapes.ts';
import type { TaskStatus } from '../../src/rest/bulk-issuance/shapes.ts';
import { startTestApp, type TestApp, type TestProject } from '../support/gateway.ts';
import { type Client, createClient } from './client.ts';

let app: TestApp;
let stranger: TestProject;
let owner: Client;
let issuance: TaskStatus;
let action: ActionWithResult;

beforeAll(async () => {
  app = await startTestApp();
  stranger = await app.createProject();
  owner = createClient(app);
  issuance = await owner.issue(60);
  const { body } = await owner.post<{ async_action_id: string }>('/v1/vouchers/import', [
    { code: 'MINE', gift: { amount: 1 } },
  ]);
  action = await owner.ended(body.async_action_id);
});

type Route = readonly [method: string, path: () => string];

const issuanceRoutes: Route[] = [
  ['POST', () => owner.bulk],
  ['GET', () => `${owner.bulk}/${issuance.taskId}`],
];
const actionRoutes: Route[] = [
  ['GET', () => '/v1/async-actions'],
  ['GET', () => `/v1/async-actions/${action.id}`],
  ['GET', () => '/v1/vouchers/MINE'],
  ['POST', () => '/v1/vouchers/import'],
  ['POST', () => '/v1/vouchers/importCSV'],
];

/** Credentials that open nothing, made of those of the owner. */
const wrong: [name: string, headers: () => Promise<Record<string, string>>][] = [
  ['no credentials', async () => ({})],
  ['a wrong token of the key pair', async () => ({ ...app.project.headers, 'x-app-token': 'wrong' })],
  ['half a key pair', async () => ({ 'x-app-id': app.project.appId })],
  ['the other half', async () => ({ 'x-app-token': app.project.appToken })],
  [
    "one project's id with another's token",
    async () => ({ 'x-app-id': app.project.appId, 'x-app-token': stranger.appToken }),
  ],
  ['a token that is none', async () => ({ authorization: 'Bearer nothing' })],
  ['another scheme', async () => ({ authorization: `Basic ${btoa('a:b')}` })],
  ['an expired token', async () => ({ authorization: await app.project.bearer(-1) })],
  ['a token of another secret', async () => ({ authorization: `Bearer ${await forged()}` })],
  ['an unsigned token', async () => ({ authorization: `Bearer ${unsigned()}` })],
  ['an empty key pair', async () => ({ 'x-app-id': '', 'x-app-token': '' })],
];

describe.each(wrong)('%s', (_name, credentials) => {
  test('opens nothing of the issuances', async () => {
    for (const [method, path] of issuanceRoutes) {
      const { status, body, headers } = await owner.call(method, path(), { headers: await credentials() });
      expect([path(), status, body]).toEqual([path(), 401, { detail: 'Not authenticated' }]);
      expect(headers.get('www-authenticate')).toBe('Bearer');
    }
  });

  test('opens nothing of the async actions', async () => {
    for (const [method, path] of actionRoutes) {
      const { status, body } = await owner.call(method, path(), { headers: await credentials() });
      const contracted = { code: 401, message: 'Unauthorized', key: 'unauthorized' };
      expect([path(), status, body]).toEqual([path(), 401, contracted]);
    }
  });
});

describe('another project', () => {
  test('cannot tell a foreign issuance from an unknown one', async () => {
    const client = createClient(app, stranger);
    const own = client.bulk;
    const unknown = '00000000-0000-4000-8000-000000000000';
    for (const headers of [stranger.headers, { authorization: await stranger.bearer() }]) {
      const foreignProgram = await client.get(`${owner.bulk}/${issuance.taskId}`, { headers });
      const unknownProgram = await client.get(`/v2/giftcards/programs/${'0'.repeat(24)}/cards/bulk/${unknown}`, {
        headers,
      });
      expect([foreignProgram.status, unknownProgram.status]).toEqual([403, 403]);
      expect(foreignProgram.text).toBe(unknownProgram.text);
      const foreignTask = await client.get(`${own}/${issuance.taskId}`, { headers });
      const unknownTask = await client.get(`${own}/${unknown}`, { headers });
      expect([foreignTask.status, unknownTask.status]).toEqual([404, 404]);
      expect(foreignTask.text).toBe(unknownTask.text);
    }
  });

  test('cannot tell a foreign async action or voucher from an unknown one, nor finds it in the list', async () => {
    const client = createClient(app, stranger);
    const known = await client.get(`/v1/async-actions/${action.id}`);
    const unknown = await client.get('/v1/async-actions/aa_0000000000000000ff');
    const voucher = await client.get('/v1/vouchers/MINE');
    const list = await client.get<ActionList>('/v1/async-actions?limit=100');
    expect([known.status, unknown.status, voucher.status]).toEqual([404, 404, 404]);
    expect(Object.keys(known.body)).toEqual(Object.keys(unknown.body));
    expect(list.body).toMatchObject({ async_actions: [], has_more: false });
  });

  test('has an Idempotency-Key of its own', async () => {
    const client = createClient(app, stranger);
    const headers = { 'idempotency-key': 'shared' };
    const mine = await owner.post('/v1/vouchers/import', [], headers);
    const theirs = await client.post('/v1/vouchers/import', [{}], headers);
    expect([mine.status, theirs.status]).toEqual([202, 202]);
    expect(theirs.body).not.toEqual(mine.body);
  });
});

function forged(): Promise<string> {
  return new SignJWT({ project: app.project.id })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(app.project.username)
    .setAudience('bulkcast')
    .setExpirationTime('1h')
    .sign(Buffer.from('another secret, just as long as the right one'));
}

function unsigned(): string {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = {
    project: app.project.id,
    sub: app.project.username,
    aud: 'bulkcast',
    exp: Math.floor(Date.now() / 1000) + 600,
  };
  return `${encode({ alg: 'none' })}.${encode(claims)}.`;
}
