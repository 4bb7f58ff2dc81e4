import { expect, test } from 'vitest';
import { addKey, makeUpKeyPair } from '../../src/auth/keys.ts';
import { ask, codes, issueCards, overWebSocket, readAll } from '../graphql/client.ts';
import { createClient } from '../rest/client.ts';
import { startTestApp, type TestApp, type TestProject } from '../support/gateway.ts';

async function withAnotherKey(app: TestApp, project: TestProject): Promise<TestProject> {
  const pair = makeUpKeyPair();
  await addKey(app.app.db, project.id, pair);
  return { ...project, ...pair, headers: { 'x-app-id': pair.appId, 'x-app-token': pair.appToken } };
}

test('counts the calls of all doors together, and refuses at each in its own words', async () => {
  const app = await startTestApp({ role: 'gateway', settings: { BULKCAST_CALLS_PER_MINUTE: '4' } });
  const { get, bulk } = createClient(app);
  const poll = `${bulk}/00000000-0000-4000-8000-000000000000`;
  const first = await get(poll);
  expect([first.status, first.headers.get('ratelimit')]).toEqual([
    404,
    expect.stringMatching(/^"calls";r=3;t=(59|60)$/),
  ]);
  expect(first.headers.get('ratelimit-policy')).toBe('"calls";q=4;w=60, "key-calls";q=600000;w=60');
  expect(first.headers.has('x-rate-limit-limit')).toBe(false);
  const second = await ask(app, '{ __typename }');
  expect([second.status, second.headers.get('ratelimit')]).toEqual([200, expect.stringMatching(/^"calls";r=2;/)]);
  expect((await get('/v1/orders')).headers.get('x-rate-limit-remaining')).toBe('1');
  const socket = overWebSocket(app);
  const query = 'subscription { bulkTasks { __typename } }';
  expect(await readAll(socket.subscribe('{ __typename }'))).toHaveLength(1);

  const overV2 = await get(poll);
  expect([overV2.status, overV2.body]).toEqual([
    429,
    { detail: expect.stringMatching(/^Too many requests .* in \d+ s$/) },
  ]);
  expect(Number(overV2.headers.get('retry-after'))).toBeGreaterThan(0);
  const overHttp = await ask(app, '{ __typename }');
  expect([overHttp.status, codes(overHttp)]).toEqual([429, ['RATE_LIMITED']]);
  expect(overHttp.headers.get('retry-after')).toMatch(/^\d+$/);
  expect(overHttp.errors?.[0]?.extensions).toMatchObject({ retryAfter: Number(overHttp.headers.get('retry-after')) });
  const told = await readAll(socket.subscribe(query)).catch((errors: unknown) => errors);
  expect(told).toMatchObject([{ extensions: { code: 'RATE_LIMITED', retryAfter: expect.any(Number) } }]);
  await socket.dispose();
});

test('counts each key of a project for itself too', async () => {
  const app = await startTestApp({ role: 'gateway', settings: { BULKCAST_KEY_CALLS_PER_MINUTE: '2' } });
  const one = createClient(app);
  const other = createClient(app, await withAnotherKey(app, app.project));
  const statuses = [];
  for (const { get } of [one, one, one, other, one, other, other]) statuses.push((await get('/v1/orders')).status);
  expect(statuses).toEqual([200, 200, 429, 200, 429, 200, 429]);
  const bearer = await app.project.bearer();
  expect((await one.get('/v1/orders', { headers: { authorization: bearer } })).status).toBe(200);
});

test('counts starts for themselves, at every door', async () => {
  const settings = { BULKCAST_STARTS_PER_HOUR: '4', BULKCAST_SYNC_CARDS: '0' };
  const app = await startTestApp({ role: 'gateway', settings });
  const { post, get, bulk } = createClient(app);
  const vouchers = [{ code: 'A', type: 'DISCOUNT_VOUCHER', discount: { type: 'PERCENT', percent_off: 10 } }];
  const refusedInput = await post('/v1/vouchers/import', { nonsense: 1 });
  expect([refusedInput.status, refusedInput.headers.get('x-rate-limit-type')]).toEqual([400, 'api_calls']);
  const first = await post('/v1/vouchers/import', vouchers);
  expect([first.status, first.headers.get('x-rate-limit-type')]).toEqual([202, 'bulk_api_calls']);
  expect([first.headers.get('x-rate-limit-limit'), first.headers.get('x-rate-limit-remaining')]).toEqual(['4', '3']);
  const second = await post(bulk, { initialValue: 5, count: 3 });
  expect([second.status, second.headers.get('ratelimit')]).toEqual([
    202,
    expect.stringMatching(/^"starts";r=2;t=\d+$/),
  ]);
  expect((await post('/v1/campaigns', { name: 'c', voucher: vouchers[0], vouchers_count: 2 })).status).toBe(200);
  expect(await issueCards(app, 3)).toEqual(expect.any(String));

  const overV1 = await post('/v1/vouchers/import', vouchers);
  expect([overV1.status, overV1.body]).toEqual([
    429,
    { code: 429, message: 'Too many requests hit the API too quickly.' },
  ]);
  expect(Number(overV1.headers.get('retry-after'))).toBeGreaterThan(3_500);
  expect((await post(bulk, { initialValue: 5, count: 3 })).status).toBe(429);
  const input = `{ programId: "${app.project.programId}", initialValue: "1.00", count: 3 }`;
  const start = `issueGiftCards(input: ${input}) { task { id } userErrors { field message code retryAfter } }`;
  const overGraphql = await ask<{ issueGiftCards: object }>(app, `mutation { ${start} }`);
  const waitingAnHour = { field: null, code: 'RATE_LIMITED', message: expect.stringMatching(/ in 3[56]\d\d s$/) };
  const refused = { task: null, userErrors: [{ ...waitingAnHour, retryAfter: expect.any(Number) }] };
  expect([overGraphql.status, overGraphql.errors]).toEqual([200, undefined]);
  expect(overGraphql.data.issueGiftCards).toEqual(refused);
  expect((await get('/v1/orders')).status).toBe(200);
});

test('tells of several starts in one document those that have begun, and those for which none was left', async () => {
  const app = await startTestApp({ role: 'gateway', settings: { BULKCAST_STARTS_PER_HOUR: '2' } });
  const input = `{ programId: "${app.project.programId}", initialValue: "1.00", count: 3 }`;
  const start = `issueGiftCards(input: ${input}) { task { id } userErrors { code } }`;
  const document = `mutation { a: ${start} b: ${start} c: ${start}
    d: undoBulkTask(id: "00000000-0000-4000-8000-000000000000") { userErrors { code } }
    e: retryBulkTaskFailures(id: "00000000-0000-4000-8000-000000000000") { userErrors { code } } }`;
  const begun = { task: { id: expect.any(String) }, userErrors: [] };
  const over = { userErrors: [{ code: 'RATE_LIMITED' }] };
  const { data, errors } = await ask(app, document);
  expect([data, errors]).toEqual([{ a: begun, b: begun, c: { task: null, ...over }, d: over, e: over }, undefined]);
  const socket = overWebSocket(app);
  expect(await readAll(socket.subscribe(document))).toEqual([
    { a: { task: null, ...over }, b: { task: null, ...over }, c: { task: null, ...over }, d: over, e: over },
  ]);
  await socket.dispose();
});

test('limits nothing where the settings say so', async () => {
  const off = { BULKCAST_CALLS_PER_MINUTE: '0', BULKCAST_KEY_CALLS_PER_MINUTE: '0' };
  const app = await startTestApp({ role: 'gateway', settings: off });
  const { status, headers } = await createClient(app).get('/v1/orders');
  expect([status, headers.has('ratelimit'), headers.has('x-rate-limit-limit')]).toEqual([200, false, false]);
});
