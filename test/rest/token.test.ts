import { beforeAll, expect, test } from 'vitest';
import { checkIssuance } from '../support/contracts.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { type Answer, type Client, createClient } from './client.ts';

let app: TestApp;
let client: Client;

beforeAll(async () => {
  app = await startTestApp();
  client = createClient(app);
});

function signIn(form: Record<string, string>): Promise<Answer<Record<string, unknown>>> {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  return client.call('POST', '/v2/token', { headers, body: new URLSearchParams(form).toString() });
}

test('gives a token that opens both doors', async () => {
  const { username, password } = app.project;
  const { status, body, headers } = await signIn({
    grant_type: 'password',
    username,
    password,
    scope: '',
    client_id: 'x',
  });
  expect(status).toBe(200);
  checkIssuance('Token', body);
  expect(body).toEqual({ accessToken: expect.any(String), tokenType: 'bearer', mfaPending: false, pendingToken: null });
  expect(headers.get('cache-control')).toBe('no-store');
  const authorization = { authorization: `Bearer ${body.accessToken}` };
  const started = await client.call('POST', client.bulk, {
    headers: authorization,
    body: { initialValue: 5, count: 1 },
  });
  const listed = await client.call('GET', '/v1/async-actions', { headers: authorization });
  expect([started.status, listed.status]).toEqual([201, 200]);
});

test('answers 401 alike for a wrong password and for somebody unknown', async () => {
  const { username, password } = app.project;
  const wrong = [
    { username, password: `${password}x` },
    { username: 'nobody', password },
    { username: `a\0b`, password },
    { username: 'x'.repeat(300), password },
  ];
  for (const form of wrong) {
    const { status, body, headers } = await signIn(form);
    expect([status, body]).toEqual([401, { detail: 'Not authenticated' }]);
    expect(headers.get('www-authenticate')).toBe('Bearer');
  }
});

test('tells every wrong part of the form', async () => {
  const { status, body } = await signIn({ grant_type: 'client_credentials' });
  expect(status).toBe(422);
  checkIssuance('HTTPValidationError', body);
  expect(body).toEqual({
    detail: [
      {
        loc: ['body', 'grant_type'],
        msg: "String should match pattern '^password$'",
        type: 'string_pattern_mismatch',
        input: 'client_credentials',
        ctx: { pattern: '^password$' },
      },
      { loc: ['body', 'username'], msg: 'Field required', type: 'missing', input: null },
      { loc: ['body', 'password'], msg: 'Field required', type: 'missing', input: null },
    ],
  });
});

test('takes a form, not JSON, and not a long one', async () => {
  const { username, password } = app.project;
  const json = await client.call('POST', '/v2/token', { body: { username, password } });
  const long = await signIn({ username, password: 'x'.repeat(20_000) });
  expect([json.status, json.body]).toEqual([415, { detail: 'Unsupported Media Type' }]);
  expect(long.status).toBe(413);
});

test('checks no more than three passwords at a time', async () => {
  const answers = await Promise.all(
    Array.from({ length: 40 }, () => signIn({ username: 'nobody', password: 'nothing' })),
  );
  const statuses = answers.map(({ status }) => status);
  expect(new Set(statuses)).toEqual(new Set([401, 503]));
  expect(statuses.filter((status) => status === 401).length).toBeGreaterThanOrEqual(3);
  const busy = answers.find(({ status }) => status === 503);
  expect(busy?.headers.get('retry-after')).toBe('1');
  expect(busy?.body).toEqual({ detail: expect.any(String) });
});
