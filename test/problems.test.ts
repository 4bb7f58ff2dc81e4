import { sql } from 'kysely';
import { beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { openApp } from '../src/app.ts';
import { startHealthServer } from '../src/health.ts';
import { ask, overSse, overWebSocket, readAll } from './graphql/client.ts';
import { sendRaw } from './rest/client.ts';
import { startTestApp, type TestApp } from './support/gateway.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp({ role: 'gateway' });
});

describe('what is no HTTP request', () => {
  it.each([
    ['nonsense', 'nonsense\r\n\r\n', 400, 'Bad Request'],
    [
      'too large a head',
      `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
      431,
      'Request Header Fields Too Large',
    ],
    [
      'two lengths',
      'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      400,
      'Bad Request',
    ],
  ])('as %s is told as problem details', async (_name, text, status, title) => {
    const answer = await sendRaw(app.url, text);
    const [head = '', body = ''] = answer.split('\r\n\r\n');
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} ${title}\r\n`));
    expect(head).toContain('content-type: application/problem+json');
    const problem = JSON.parse(body);
    expect(problem).toEqual({
      type: 'about:blank',
      title,
      status,
      detail: expect.any(String),
      requestId: /x-request-id: (\S+)/.exec(head)?.[1],
    });
    const logged = app.logs.find(({ fields }) => fields.request === problem.requestId);
    expect(logged).toMatchObject({ event: 'request.unreadable', fields: { status } });
  });
});

describe('an upgrade', () => {
  it('to a WebSocket where there is none is told as problem details', async () => {
    const head = 'GET /elsewhere HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
    const answer = await sendRaw(app.url, head);
    const [told = '', body = ''] = answer.split('\r\n\r\n');
    expect(told).toMatch(/^HTTP\/1\.1 404 Not Found\r\n.*content-type: application\/problem\+json/s);
    expect(JSON.parse(body)).toMatchObject({ status: 404, requestId: /x-request-id: (\S+)/.exec(told)?.[1] });
  });
});

describe('a path of our own', () => {
  it('tells which methods it has', async () => {
    const response = await fetch(`${app.url}/healthz?x=1`, { method: 'POST' });
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(await response.json()).toMatchObject({ status: 405, requestId: response.headers.get('x-request-id') });
  });

  it('is refused before a body has come', async () => {
    const head = 'HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{';
    const [nothing, other] = await Promise.all(
      ['/nothing', '/healthz'].map((at) => sendRaw(app.url, `POST ${at} ${head}`)),
    );
    expect([nothing, other]).toMatchObject(
      [/^HTTP\/1\.1 404 /, /^HTTP\/1\.1 405 /].map((start) => expect.stringMatching(start)),
    );
  });

  it('is told the same way by a process that is no gateway', async () => {
    const log = app.app.log;
    const worker = await openApp({ ...app.app.config, BULKCAST_ROLE: 'worker', PORT: 0 }, app.database.url, log);
    onTestFinished(() => worker.stop(1_000));
    const listener = await startHealthServer(worker);
    onTestFinished(() => listener.stop(1_000));
    for (const [method, path, status] of [
      ['GET', '/nothing', 404],
      ['POST', '/healthz', 405],
    ] as const) {
      const response = await fetch(`${listener.url}${path}`, { method });
      expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
      expect(await response.json()).toMatchObject({ status, requestId: response.headers.get('x-request-id') });
    }
    expect(await sendRaw(listener.url, 'nonsense\r\n\r\n')).toContain('application/problem+json');
  });
});

describe('a document that is refused', () => {
  it.each([
    ['a syntax error', '{', 'GRAPHQL_PARSE_FAILED'],
    ['an unknown field', '{ nonsense }', 'GRAPHQL_VALIDATION_FAILED'],
    ['no telling which operation', 'query a { __typename } query b { __typename }', 'OPERATION_RESOLUTION_FAILURE'],
    ['a variable of another type', 'query ($id: ID!) { bulkTask(id: $id) { __typename } }', 'BAD_USER_INPUT'],
    [
      'too many levels',
      `{ ${'a: bulkTasks { nodes { '.repeat(30)} __typename ${'} }'.repeat(30)} }`,
      'GRAPHQL_VALIDATION_FAILED',
    ],
  ])('for %s has the same code over every transport', async (_name, query, code) => {
    const refused = [{ extensions: { code, requestId: expect.any(String) } }];
    expect((await ask(app, query)).errors).toMatchObject(refused);
    const socket = overWebSocket(app);
    onTestFinished(() => socket.dispose());
    const told = await readAll(socket.subscribe(query)).catch((errors: unknown) => errors);
    expect(told instanceof Error ? JSON.parse(told.message.replace('expected data, got ', '')) : told).toMatchObject(
      refused,
    );
    const sse = overSse(app);
    onTestFinished(() => sse.dispose());
    expect((await sse.subscribe(query).next()).value).toMatchObject({ errors: refused });
  });
});

describe('an outage', () => {
  it('is told without a stack, SQL or the name of a file, by every door', async () => {
    const broken = await startTestApp({ role: 'gateway', settings: { REDIS_URL: inject('redisUrl') } });
    const { headers } = broken.project;
    const bearer = { authorization: await broken.project.bearer() };
    const issuance = `/v2/giftcards/programs/${broken.project.programId}/cards/bulk/00000000-0000-4000-8000-000000000000`;
    const query = encodeURIComponent('{ bulkTask(id: "00000000-0000-4000-8000-000000000000") { __typename } }');
    await fetch(`${broken.url}/v1/async-actions`, { headers });
    await fetch(`${broken.url}${issuance}`, { headers: bearer });
    await sql`alter table tasks rename to tasks_hidden`.execute(broken.app.db);
    const answers = [
      await fetch(`${broken.url}/v1/async-actions`, { headers }),
      await fetch(`${broken.url}${issuance}`, { headers: bearer }),
      await fetch(`${broken.url}/graphql?query=${query}`, { headers }),
      await fetch(`${broken.url}/graphql?query=${query}`, { headers: { ...headers, accept: 'text/event-stream' } }),
    ];
    await sql`alter table tasks_hidden rename to tasks`.execute(broken.app.db);
    for (const answer of answers) {
      const text = await answer.text();
      expect(text).toMatch(/went wrong|Unexpected error|internal/i);
      expect(text).not.toMatch(/relation|select |tasks_hidden|node_modules|\.ts\b|\.js\b|\n\s+at |postgres/i);
    }
    const logged = broken.logs.filter(({ fields }) => fields.error !== undefined).map(({ fields }) => fields.request);
    expect(logged).toEqual(expect.arrayContaining([answers[2]?.headers.get('x-request-id')]));
  });
});
