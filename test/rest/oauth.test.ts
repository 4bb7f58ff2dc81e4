import { sql } from 'kysely';
import { beforeAll, expect, test } from 'vitest';
import { checkAsyncAction } from '../support/contracts.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { type Answer, type Client, createClient } from './client.ts';

let app: TestApp;
let client: Client;

beforeAll(async () => {
  app = await startTestApp({ role: 'gateway' });
  client = createClient(app);
});

function askForToken(
  form: Record<string, string>,
  credentials: Record<string, string> = app.project.headers,
): Promise<Answer<Record<string, unknown>>> {
  const headers = { ...credentials, 'content-type': 'application/x-www-form-urlencoded' };
  return client.call('POST', '/v1/oauth/token', { headers, body: new URLSearchParams(form).toString() });
}

/** Living tokens, as if so many had been asked for in the last minutes, and expired ones. */
async function addTokens(projectId: string, living: number, expired = 0): Promise<void> {
  await sql`insert into oauth_tokens (project_id, expires_at)
    select ${projectId}::uuid, now() + case when n <= ${living}::integer then interval '1 minute' else interval '-1 second' end
    from generate_series(1, ${living + expired}::integer) as n`.execute(app.app.db);
}

async function bearer(scope: string): Promise<{ authorization: string }> {
  const { body } = await askForToken({ grant_type: 'client_credentials', scope });
  return { authorization: `Bearer ${body.access_token}` };
}

test('gives a key pair a token of 15 minutes', async () => {
  const before = Math.floor(Date.now() / 1000);
  const { status, body, headers } = await askForToken({ grant_type: 'client_credentials', scope: 'orders vouchers' });
  expect(status).toBe(200);
  checkAsyncAction('OAuthTokenGenerateResponseBody', body);
  expect(body).toEqual({
    access_token: expect.any(String),
    client_id: app.project.appId,
    expires_at: expect.any(Number),
    expires_in: 900,
    scope: 'orders vouchers',
    token_type: 'Bearer',
  });
  expect(Number(body.expires_at) - before - 900).toBeLessThanOrEqual(2);
  expect(headers.get('cache-control')).toBe('no-store');
});

test('a token opens the paths of its scopes, and no others', async () => {
  const orders = await bearer('orders');
  const allowed = await client.call('POST', '/v1/orders', { headers: orders, body: { source_id: 'by token' } });
  expect([allowed.status, allowed.body.source_id]).toEqual([200, 'by token']);
  const other = await client.call('GET', '/v1/async-actions', { headers: orders });
  expect([other.status, other.body]).toMatchObject([403, { code: 403, key: 'forbidden' }]);
  const graphql = await client.call('POST', '/graphql', { headers: orders, body: { query: '{ __typename }' } });
  expect(graphql.status).toBe(403);
  const issuance = await client.call('POST', client.bulk, { headers: orders, body: {} });
  expect(issuance.status).toBe(403);
});

test('a token with the scope api opens everything', async () => {
  const headers = await bearer('api');
  const query = '{ bulkTasks { edges { node { __typename } } } }';
  const answers = [
    await client.call('GET', '/v1/async-actions', { headers }),
    await client.call('GET', '/v1/orders', { headers }),
    await client.call('POST', '/graphql', { headers, body: { query } }),
  ];
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
});

test.each([
  [{ grant_type: 'password', scope: 'api' }, 'invalid_grant_type', 'Invalid grant_type'],
  [{ scope: 'api' }, 'invalid_grant_type', 'Invalid grant_type'],
  [{ grant_type: 'client_credentials', scope: 'api beer wine' }, 'invalid_scope', 'Invalid scope: beer,wine'],
  [{ grant_type: 'client_credentials' }, 'invalid_scope', 'Invalid scope: '],
])('refuses %j', async (form, key, message) => {
  const { status, body } = await askForToken({ ...form });
  expect([status, body]).toEqual([400, { code: 400, key, message, request_id: expect.stringMatching(/^v-/) }]);
});

test('asks for a key pair: nobody, and no token, gets a token', async () => {
  const form = { grant_type: 'client_credentials', scope: 'api' };
  for (const credentials of [{}, await bearer('api'), { ...app.project.headers, 'x-app-token': 'wrong' }]) {
    const { status, body } = await askForToken(form, { ...credentials });
    expect([status, body]).toEqual([401, { code: 401, key: 'unauthorized', message: 'Unauthorized' }]);
  }
});

test('gives a project at most 1,000 living tokens, also when many are asked for at once', async () => {
  const project = await app.createProject();
  await addTokens(project.id, 998, 50);
  const form = { grant_type: 'client_credentials', scope: 'api' };
  const answers = await Promise.all(Array.from({ length: 6 }, () => askForToken(form, project.headers)));
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 429, 429, 429, 429]);
  const refused = answers.find(({ status }) => status === 429);
  expect(refused?.body).toEqual({
    code: 429,
    key: 'too_many_tokens',
    message: 'Too many tokens',
    details: 'A project can have at most 1000 living tokens; use one that you have, or wait until one expires',
    request_id: expect.stringMatching(/^v-/),
  });
  const retryAfter = Number(refused?.headers.get('retry-after'));
  expect(retryAfter).toBeGreaterThan(0);
  expect(retryAfter).toBeLessThanOrEqual(60);
  expect((await askForToken(form)).status).toBe(200);
  const { rows } = await sql`select count(*) from oauth_tokens where project_id = ${project.id}`.execute(app.app.db);
  expect(rows).toEqual([{ count: 1000 }]);
});
