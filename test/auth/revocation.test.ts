import { sql } from 'kysely';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ask } from '../graphql/client.ts';
import { createClient } from '../rest/client.ts';
import { startTestApp, type TestApp, type TestProject } from '../support/gateway.ts';
import { waitFor } from '../support/wait.ts';

const query = '{ bulkTasks(first: 1) { nodes { __typename } } }';

type Headers = Readonly<Record<string, string>>;

async function scopedToken(app: TestApp, { headers }: TestProject): Promise<Headers> {
  const { body } = await createClient(app).call<{ access_token: string }>('POST', '/v1/oauth/token', {
    headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' },
    body: 'grant_type=client_credentials&scope=api',
  });
  return { authorization: `Bearer ${body.access_token}` };
}

/** The statuses of one call at each door. */
async function statuses(app: TestApp, headers: Headers): Promise<number[]> {
  const { get } = createClient(app);
  const actions = await get('/v1/async-actions', { headers });
  const issuance = await get(`${createClient(app).bulk}/00000000-0000-4000-8000-000000000000`, { headers });
  const graphql = await ask(app, query, {}, headers);
  return [actions.status, issuance.status, graphql.status];
}

describe('with an age of 300 ms', () => {
  const boundMs = 300;
  let app: TestApp;
  let project: TestProject;

  beforeAll(async () => {
    app = await startTestApp({ role: 'gateway', settings: { BULKCAST_CREDENTIALS_MAX_AGE_MS: String(boundMs) } });
  });

  beforeEach(async () => {
    project = await app.createProject();
  });

  const revokeKey = () => sql`update api_keys set revoked_at = now() where app_id = ${project.appId}`;
  const disableMerchant = () => sql`update merchants set disabled_at = now() where username = ${project.username}`;

  test.each([
    ['a key pair', () => project.headers, revokeKey],
    ['the token of a key pair', () => scopedToken(app, project), revokeKey],
    ["a merchant's token", async () => ({ authorization: await project.bearer() }), disableMerchant],
  ])('%s stops at every door soon after it was revoked', async (_name, credentials, revoke) => {
    const headers = await credentials();
    // The program is another project's.
    expect(await statuses(app, headers)).toEqual([200, 403, 200]);
    await revoke().execute(app.app.db);
    const revokedAt = performance.now();
    const isOver = async () => (await statuses(app, headers)).every((status) => status === 401);
    await waitFor(isOver, { message: 'every door answers 401' });
    expect(performance.now() - revokedAt).toBeLessThan(boundMs + 2_000);
  });

  test('a merchant who is disabled cannot sign in', async () => {
    const { username, password } = project;
    const signIn = async () => {
      const body = new URLSearchParams({ username, password });
      return (await fetch(`${app.url}/v2/token`, { method: 'POST', body })).status;
    };
    expect(await signIn()).toBe(200);
    await disableMerchant().execute(app.app.db);
    expect(await signIn()).toBe(401);
  });
});

test('while they are young, credentials are taken without a question to the database', async () => {
  const app = await startTestApp({ role: 'gateway', settings: { BULKCAST_CREDENTIALS_MAX_AGE_MS: '25000' } });
  const callers = [
    app.project.headers,
    { authorization: await app.project.bearer() },
    await scopedToken(app, app.project),
  ];
  const before = await Promise.all(callers.map((headers) => statuses(app, headers)));
  await app.app.db.transaction().execute(async (tx) => {
    await sql`lock table api_keys, merchants in access exclusive mode`.execute(tx);
    for (const [index, headers] of callers.entries()) expect(await statuses(app, headers)).toEqual(before[index]);
  });
});
