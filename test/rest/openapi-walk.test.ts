import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import { beforeAll, describe, expect, test } from 'vitest';
import { createSignedLinks } from '../../src/auth/links.ts';
import { issueScopedToken, issueWatchToken } from '../../src/auth/tokens.ts';
import { operations } from '../../src/operations/index.ts';
import { secret, startTestApp, type TestApp } from '../support/gateway.ts';
import { defineMetadata } from '../support/mutations.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { waitFor } from '../support/wait.ts';
import { readAnswer, sendRaw } from './client.ts';
import { type Documented, documented } from './openapi-document.ts';
import { type Ask, exampleBody, promised, promisedProperties, richBodies, startWalk } from './openapi-walk.ts';

/** Walks the whole document against running servers: every status that it tells is provoked, and every answer on the way is held
 *  against it. */

const walk = startWalk();
const maxBytes = 30_000;

let app: TestApp;
let credentials: Record<string, string>;
/** Values of the parameters in paths, of things that are there. */
let found: Record<string, string>;

const reads = documented.filter(({ method }) => method === 'GET' || method === 'HEAD');
const withCredentials = documented.filter(({ security }) => security === undefined);
const withBody = documented.filter(({ method, path }) => !reads.some((read) => read.method === method) && path !== '');
const isStart = ({ parameters }: Documented) => parameters?.some(({ name }) => name === 'Idempotency-Key') ?? false;

beforeAll(async () => {
  app = await startTestApp({
    settings: { BULKCAST_MAX_BODY_BYTES: String(maxBytes), BULKCAST_CREDENTIALS_MAX_AGE_MS: '25000' },
  });
  credentials = app.project.headers;
  found = {
    programId: app.project.programId,
    campaignId: 'Winter',
    code: 'HELLO10',
    resource: 'voucher',
    customerId: 'crm-1',
    orderId: 'order-1',
    productId: 'shirt',
    skuId: 'shirt-blue',
  };
  await defineMetadata(app, 'voucher', { season: { type: 'string' }, kind: { type: 'string', array: true } });
});

function operation(operationId: string): Documented {
  const one = documented.find((candidate) => candidate.operationId === operationId);
  if (one === undefined) throw new Error(`no operation ${operationId}`);
  return one;
}

/** A request that is in order. */
function valid(one: Documented, more: Ask = {}): Ask {
  const example = exampleBody(one);
  const path = one.operationId === 'add-voucher-with-code-to-campaign' ? { ...found, code: 'WINTER-9' } : found;
  return {
    ...example,
    query: linkOf(one),
    ...more,
    path: { ...path, ...more.path },
    headers: { ...(one.security === undefined && credentials), ...example.headers, ...more.headers },
    ...(one.operationId === 'token' && !more.body && { body: signIn() }),
  };
}

function signIn(): URLSearchParams {
  const { username, password } = app.project;
  return new URLSearchParams({ username, password, grant_type: 'password' });
}

/** The query of a signed link, where an operation takes one. */
function linkOf({ path, parameters = [] }: Documented, values: Record<string, string> = found): Record<string, string> {
  if (!parameters.some(({ name }) => name === 'signature')) return {};
  const links = createSignedLinks({ secret, seconds: 3_600, publicUrl: () => 'http://x' });
  const at = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => values[name] ?? '');
  return Object.fromEntries(new URL(links.sign(at)).searchParams);
}

async function askAll(some: readonly Documented[], askOf: (one: Documented) => Ask, status: number): Promise<void> {
  const promising = some.filter(({ responses }) => status in responses);
  const told: string[] = [];
  for (const one of promising) {
    const answer = await walk.ask(app.url, one, askOf(one));
    if (answer.status !== status) told.push(`${one.method} ${one.path} ${answer.status} ${answer.text.slice(0, 300)}`);
  }
  expect(told).toEqual([]);
}

async function settle(): Promise<void> {
  await waitFor(
    async () => {
      const { rows } = await sql`select 1 from tasks where completed_at is null`.execute(app.app.db);
      return rows.length === 0;
    },
    { message: 'all tasks end', timeoutMs: 40_000 },
  );
}

describe('what is asked for in order', { timeout: 120_000 }, () => {
  const writes = documented.filter(({ method }) => method === 'POST' || method === 'PUT');
  const isCreation = ({ operationId }: Documented) => operationId.startsWith('create-');
  const firstThings = writes.filter(isCreation).sort((a, b) => a.path.length - b.path.length);

  test('writes', async () => {
    for (const one of [...firstThings, ...writes.filter((other) => !isCreation(other))]) {
      const { status, body, text } = await walk.ask(app.url, one, valid(one));
      expect([one.operationId, status < 300, status < 300 || text]).toEqual([one.operationId, true, true]);
      const { taskId, async_action_id } = Object(body);
      if (taskId !== undefined) found.taskId = taskId;
      if (one.operationId === 'vouchers.bulk_update') found.asyncActionId = async_action_id;
      // What follows may refer to it, or to the campaign that is filled.
      if (isCreation(one)) await settle();
    }
    await settle();
  });

  test('writes what is answered in another way', async () => {
    const issued = await walk.ask(
      app.url,
      operation('bulkIssue'),
      valid(operation('bulkIssue'), { body: JSON.stringify({ initialValue: 5, count: 2 }) }),
    );
    expect(issued.status).toBe(201);
    const add = operation('add-vouchers-to-campaign');
    expect((await walk.ask(app.url, add, valid(add, { query: { vouchers_count: '2' } }))).status).toBe(202);
    await settle();
  });

  test('writes all that an answer can hold', async () => {
    const idOf = async (get: Documented) => Object((await walk.ask(app.url, get, valid(get))).body).id;
    const ids = { product: await idOf(operation('get-product')), sku: await idOf(operation('get-sku')) };
    const poll = operation('get-async-action');
    const polls: Ask[] = [];
    for (const [operationId, body] of richBodies(ids)) {
      const one = operation(operationId);
      const { status, text, body: told } = await walk.ask(app.url, one, valid(one, { body: JSON.stringify(body) }));
      expect([operationId, status < 300, status < 300 || text]).toEqual([operationId, true, true]);
      const { async_action_id: asyncActionId } = Object(told);
      if (asyncActionId !== undefined) polls.push(valid(poll, { path: { asyncActionId } }));
    }
    await settle();
    for (const ask of polls) await walk.ask(app.url, poll, ask);
    const add = operation('add-vouchers-to-campaign');
    await walk.ask(app.url, add, valid(add, { path: { campaignId: 'Points' } }));
  });

  test('reads', async () => {
    for (const one of reads) {
      const { status, text } = await walk.ask(app.url, one, valid(one));
      expect([one.operationId, status, one.method === 'HEAD' && text !== '']).toEqual([one.operationId, 200, false]);
    }
  });

  test('has a HEAD with the headers of the GET', async () => {
    for (const head of reads.filter(({ method }) => method === 'HEAD')) {
      const get = documented.find(({ method, path }) => method === 'GET' && path === head.path) ?? head;
      const [one, other] = [await walk.ask(app.url, get, valid(get)), await walk.ask(app.url, head, valid(head))];
      for (const name of ['content-type', 'etag', 'cache-control', 'retry-after']) {
        expect([head.path, name, other.headers.get(name)]).toEqual([head.path, name, one.headers.get(name)]);
      }
    }
  });

  test('is not told again to whoever has it', async () => {
    for (const one of documented.filter(({ responses }) => 304 in responses)) {
      const tag = (await walk.ask(app.url, one, valid(one))).headers.get('etag') ?? '';
      const { status } = await walk.ask(app.url, one, valid(one, { headers: { 'if-none-match': tag } }));
      expect([one.operationId, status]).toEqual([one.operationId, 304]);
    }
    const events = documented.filter(({ parameters }) => parameters?.some(({ name }) => name === 'Last-Event-ID'));
    await askAll(events, (one) => valid(one, { headers: { 'last-event-id': '999999' } }), 204);
  });
});

describe('what is refused', { timeout: 60_000 }, () => {
  test('without credentials: 401', async () => {
    await askAll(withCredentials, (one) => ({ ...valid(one), headers: exampleBody(one).headers ?? {} }), 401);
    const wrong = new URLSearchParams({ username: 'nobody', password: 'x' });
    await askAll([operation('token')], (one) => valid(one, { body: wrong }), 401);
  });

  test('with credentials that are confined, a link that is not signed, or from elsewhere: 403', async () => {
    const { id: projectId, appId } = app.project;
    const expiry = new Date(Date.now() + 600_000);
    const scoped = (scope: string) => issueScopedToken(secret, { projectId, appId, scopes: [scope] }, expiry);
    const [orders, skus] = [await scoped('orders'), await scoped('skus')];
    const watch = await issueWatchToken(secret, { projectId, kind: 'KEY', name: appId }, found.taskId ?? '', expiry);
    const bearer = (token: string) => ({ authorization: `Bearer ${token}`, 'x-app-id': '', 'x-app-token': '' });
    const fromElsewhere = { 'x-forwarded-for': '192.0.2.1' };
    await askAll(
      documented,
      (one) =>
        valid(
          one,
          one.security
            ? { query: {}, headers: fromElsewhere }
            : { headers: bearer(one.path.includes('orders') ? skus : orders) },
        ),
      403,
    );
    const isWatch = ({ operationId }: Documented) => /^(get-async-action|poll|watch)/.test(operationId);
    await askAll(
      withCredentials.filter((one) => !isWatch(one)),
      (one) => valid(one, { headers: bearer(watch) }),
      403,
    );
  });

  test('where nothing has the id: 404', async () => {
    const unknown = {
      taskId: '00000000-0000-4000-8000-000000000000',
      asyncActionId: 'aa_000000000000000000',
      resource: 'nothing',
      ...Object.fromEntries(
        ['campaignId', 'code', 'customerId', 'orderId', 'productId', 'skuId'].map((name) => [name, 'no']),
      ),
    };
    const inPath = documented.filter(({ path }) => path.includes('{'));
    await askAll(
      inPath.filter(({ operationId }) => operationId !== 'bulkIssue'),
      (one) => valid(one, { path: unknown, query: linkOf(one, { ...found, ...unknown }) }),
      404,
    );
    await askAll([operation('bulkIssue')], (one) => valid(one, { path: { programId: 'x'.repeat(2_501) } }), 404);
    const named: Record<string, object> = {
      'create-customer': { id: 'cust_no' },
      'create-order': { customer: { id: 'cust_no' } },
    };
    for (const [id, body] of Object.entries(named)) {
      await askAll([operation(id)], (one) => valid(one, { body: JSON.stringify(body) }), 404);
    }
  });

  test('where the path, a query parameter or the body cannot be: 400, 422', async () => {
    await askAll(
      documented.filter(({ path }) => path.includes('{')),
      (one) => valid(one, { path: Object.fromEntries(Object.keys(found).map((name) => [name, '%zz'])) }),
      400,
    );
    const lists = reads.filter(
      ({ parameters = [], path }) => !path.includes('{') && parameters.some((p) => p.in === 'query'),
    );
    await askAll(lists, (one) => valid(one, { query: { limit: 'many', end_date: 'never' } }), 400);
    const broken = withBody.filter(({ path, requestBody }) => requestBody && !path.includes('{'));
    await askAll(broken, (one) => valid(one, { body: '{', headers: { 'content-type': typeOf(one) } }), 400);
    const others = documented.filter(({ path, operationId }) => path.startsWith('/v2') && operationId !== 'token');
    await askAll(others, (one) => valid(one, { path: { programId: 'no' } }), 422);
    await askAll([operation('token')], (one) => valid(one, { body: new URLSearchParams({ username: 'x' }) }), 422);
  });

  test('where the body is too large, or of another kind: 413, 415', async () => {
    const large = 'x'.repeat(maxBytes + 10_000);
    await askAll(
      withBody,
      (one) => {
        if (!typeOf(one).startsWith('multipart'))
          return valid(one, { body: large, headers: { 'content-type': typeOf(one) } });
        const form = new FormData();
        form.set('file', new Blob([large], { type: 'text/csv' }));
        return valid(one, { body: form });
      },
      413,
    );
    await askAll(withBody, (one) => valid(one, { body: '<a/>', headers: { 'content-type': 'text/xml' } }), 415);
  });

  test('where the Idempotency-Key is in use, or was used for something else: 409, 422', async () => {
    const { db } = app.app;
    const { id } = app.project;
    const query = (one: Documented) => (one.operationId === 'add-vouchers-to-campaign' ? { vouchers_count: '2' } : {});
    const starts = documented.filter(isStart);
    const nameOf = (operation: string) => JSON.stringify([id, operation, 'busy']);
    await db.transaction().execute(async (tx) => {
      for (const name of operations.keys())
        await sql`select pg_advisory_xact_lock(hashtextextended(${nameOf(name)}, 0))`.execute(tx);
      await askAll(starts, (one) => valid(one, { query: query(one), headers: { 'idempotency-key': 'busy' } }), 409);
    });
    const used = [...operations.keys()].map((name) => ({
      project_id: id,
      operation: name,
      key: 'used',
      fingerprint: createHash('sha256').update('something else').digest(),
      task_id: found.taskId ?? '',
      expires_at: new Date(Date.now() + 60_000),
    }));
    await db.insertInto('idempotency_keys').values(used).execute();
    await askAll(starts, (one) => valid(one, { query: query(one), headers: { 'idempotency-key': 'used' } }), 422);
    await askAll([operation('add-voucher-with-code-to-campaign')], (one) => valid(one), 409);
  });

  test('where the body comes too slowly: 408', async () => {
    const slow = await startTestApp({
      role: 'gateway',
      settings: { BULKCAST_UPLOAD_STALL_MS: '200', BULKCAST_MAX_UPLOADS: '8', BULKCAST_DATABASE_CONNECTIONS: '12' },
    });
    const { headers, programId } = slow.project;
    const provoked = withBody.map(async (one) => {
      const at = one.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => (name === 'programId' ? programId : 'x'));
      const head = [
        `${one.method} ${at} HTTP/1.1`,
        'host: x',
        'connection: close',
        'content-length: 100',
        `content-type: ${typeOf(one)}${typeOf(one).startsWith('multipart') ? '; boundary=x' : ''}`,
        ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
      ];
      const answer = await readRaw(await sendRaw(slow.url, `${head.join('\r\n')}\r\n\r\n{`));
      walk.check(one, answer);
      return [one.operationId, answer.status];
    });
    expect(await Promise.all(provoked)).toEqual(withBody.map(({ operationId }) => [operationId, 408]));
  });

  test('where the project has called too often: 429', async () => {
    const settings = { BULKCAST_CALLS_PER_MINUTE: '1', BULKCAST_USER_FAILED_SIGN_INS: '1' };
    const busy = await startTestApp({ role: 'gateway', settings });
    const { headers, username } = busy.project;
    await (await fetch(`${busy.url}/v1/orders`, { headers })).text();
    const wrong = new URLSearchParams({ username, password: 'wrong', grant_type: 'password' });
    await (await fetch(`${busy.url}/v2/token`, { method: 'POST', body: wrong })).text();
    for (const one of documented.filter(({ responses }) => 429 in responses)) {
      const more = one.operationId === 'token' ? { body: wrong } : { headers };
      const { status } = await walk.ask(busy.url, one, valid(one, more));
      expect([one.operationId, status]).toEqual([one.operationId, 429]);
    }
  });
});

describe('what goes wrong inside', { timeout: 60_000 }, () => {
  const others = documented.filter(({ responses }) => 500 in responses || 503 in responses);

  test('where the database is away: 503', async () => {
    const proxy = await startTcpProxy(Number(new URL(app.database.url).port));
    const url = new URL(app.database.url);
    url.port = String(proxy.port);
    const lone = await startTestApp({
      role: 'gateway',
      database: { ...app.database, url: url.href },
      settings: { BULKCAST_CREDENTIALS_MAX_AGE_MS: '25000' },
    });
    await (await fetch(`${lone.url}/v1/orders`, { headers: credentials })).text();
    proxy.redirect(1);
    await expectOf(lone, others, 503);
    proxy.redirect(Number(new URL(app.database.url).port));
  });

  test('where it is our fault: 500', async () => {
    const lone = await startTestApp({
      role: 'gateway',
      database: app.database,
      settings: { BULKCAST_CREDENTIALS_MAX_AGE_MS: '25000' },
    });
    await (await fetch(`${lone.url}/v1/orders`, { headers: credentials })).text();
    await sql`alter schema public rename to hidden`.execute(lone.app.db);
    try {
      await expectOf(
        lone,
        others.filter(({ responses }) => 500 in responses),
        500,
      );
    } finally {
      await sql`alter schema hidden rename to public`.execute(lone.app.db);
    }
  });

  async function expectOf(lone: TestApp, some: readonly Documented[], status: number): Promise<void> {
    const told: string[] = [];
    for (const one of some) {
      const answer = await walk.ask(lone.url, one, valid(one));
      if (answer.status !== status) told.push(`${one.method} ${one.path} ${answer.status}`);
      if (/^\/v\d/.test(one.path)) {
        const logged = lone.logs.find(({ fields }) => fields.request === answer.headers.get('x-request-id'));
        expect(logged).toMatchObject({ fields: { error: expect.any(Error) } });
      }
      expect(answer.text).not.toMatch(/relation|select |hidden|node_modules|\.ts\b|\n\s+at |postgres|ECONN/i);
    }
    expect(told).toEqual([]);
  }
});

test('deletes, at last', async () => {
  const deletions = documented
    .filter(({ method }) => method === 'DELETE')
    .sort((a, b) => b.path.length - a.path.length);
  for (const one of deletions) {
    const { status } = await walk.ask(app.url, one, valid(one));
    expect([one.operationId, status]).toEqual([one.operationId, one.operationId.startsWith('delete') ? 204 : 202]);
  }
});

test('has provoked every status that the document promises', () => {
  expect(promised.filter((status) => !walk.seen.has(status))).toEqual([]);
});

test('has met every property of the bodies that the document promises', () => {
  expect(promisedProperties.filter((name) => !walk.properties.has(name))).toEqual([]);
});

function typeOf({ requestBody }: Documented): string {
  return Object.keys(requestBody?.content ?? {})[0] ?? 'application/json';
}

async function readRaw(text: string) {
  const [head = '', ...rest] = text.split('\r\n\r\n');
  const [line = '', ...lines] = head.split('\r\n');
  const headers = new Headers(lines.map((one) => one.split(': ', 2) as [string, string]));
  const status = Number(line.split(' ')[1]);
  return readAnswer<unknown>(new Response(rest.join('\r\n\r\n'), { status, headers }));
}
