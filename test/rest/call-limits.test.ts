import { beforeAll, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { type Answer, createClient } from './client.ts';

let app: TestApp;

beforeAll(async () => {
  app = await startTestApp({ role: 'gateway', settings: { BULKCAST_CALLS_PER_MINUTE: '5' } });
});

const limitsOf = ({ headers }: Answer<unknown>) =>
  ['limit', 'remaining', 'retry'].map((name) => headers.get(`x-rate-limit-${name}`)).map(Number);

test('tells in every answer how many calls are left, and answers 429 when none is', async () => {
  const { get, call, post } = createClient(app);
  const before = Math.floor(Date.now() / 1000);
  const answers = [
    await get('/v1/async-actions'),
    await get('/v1/async-actions/aa_000000000000000000'),
    await get('/v1/orders?limit=0'),
    await post('/v1/orders', '{'),
    await post('/v1/vouchers/import', '{'),
  ];
  expect(answers.map(limitsOf)).toEqual(
    [4, 3, 2, 1, 0].map((left) => [5, left, expect.toSatisfy((at) => at >= before && at <= before + 62)]),
  );
  expect(answers[0]?.headers.get('x-rate-limit-type')).toBe('api_calls');
  const refused = await get('/v1/orders');
  expect([refused.status, refused.body]).toEqual([
    429,
    { code: 429, message: 'Too many requests hit the API too quickly.' },
  ]);
  const wait = Number(refused.headers.get('retry-after'));
  expect(wait).toBeGreaterThan(0);
  expect(wait).toBeLessThanOrEqual(60);
  expect(limitsOf(refused)).toEqual([5, 0, expect.toSatisfy((at) => at > before && at <= before + 62)]);
  const nobody = await call('GET', '/v1/orders', { headers: {} });
  expect([nobody.status, limitsOf(nobody)[0]]).toEqual([401, 5]);
});

test('counts each project for itself', async () => {
  const { get } = createClient(app, await app.createProject());
  const first = await get('/v1/orders');
  expect([first.status, limitsOf(first).slice(0, 2)]).toEqual([200, [5, 4]]);
});
