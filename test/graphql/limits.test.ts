import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { getIntrospectionQuery } from 'graphql';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { ask, codes, issueCards, overSse, overWebSocket, post, readAll, readAnswer } from './client.ts';

const json = { 'content-type': 'application/json' };

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp({ role: 'gateway', settings: { BULKCAST_UPLOAD_STALL_MS: '300' } });
});

const nested = (depth: number) =>
  `{ __type(name: "Query") { ${'ofType { '.repeat(depth)} name ${'} '.repeat(depth)} } }`;

const tooMuch: [string, string][] = [
  ['a document of too many characters', `{ ${' '.repeat(60_000)} __typename }`],
  ['too deep a query', nested(20)],
  [
    'too many fields',
    `{ ${'...F '.repeat(200)} } fragment F on Query { a: __typename b: __typename c: __typename d: __typename e: __typename f: __typename }`,
  ],
  [
    'pages within pages',
    '{ bulkTasks(first: 100) { edges { node { ... on TaskProgress { failures(first: 100) { edges { node { row } } } } } } } }',
  ],
  [
    'pages within pages by variables',
    'query ($n: Int = 100) { bulkTasks(first: $n) { edges { node { ... on TaskProgress { failures(first: $n) { edges { node { row } } } } } } } }',
  ],
  [
    'too many starts',
    `mutation { ${Array.from({ length: 50 }, (_, index) => `a${index}: importVouchers(input: { vouchers: [] }) { userErrors { code } }`).join(' ')} }`,
  ],
  ['fragments that unfold without end', bomb()],
];

/** Each fragment spreads the next one twice: 2^30 fields out of 30 lines. */
function bomb(): string {
  const fragments = Array.from(
    { length: 30 },
    (_, index) => `fragment F${index} on Query { a${index}: __typename ...F${index + 1} ...F${index + 1} }`,
  );
  return `{ ...F0 } ${fragments.join('\n')} fragment F30 on Query { __typename }`;
}

describe('a document that asks for too much', () => {
  it.each(tooMuch)('%s is QUERY_TOO_COMPLEX over HTTP', async (_name, query) => {
    const answer = await ask(app, query);
    expect({ codes: codes(answer), data: answer.data }).toEqual({ codes: ['QUERY_TOO_COMPLEX'], data: undefined });
  });

  it.each(tooMuch)('%s is QUERY_TOO_COMPLEX over a WebSocket', async (_name, query) => {
    const socket = overWebSocket(app);
    onTestFinished(() => socket.dispose());
    const shown = await readAll(socket.subscribe(query)).catch((error: unknown) => error);
    expect(JSON.stringify(shown instanceof Error ? shown.message : shown)).toContain('QUERY_TOO_COMPLEX');
  });

  it('too many tokens do not parse', async () => {
    const answer = await ask(app, `{ ${'a '.repeat(2_001)} }`);
    expect(codes(answer)).toEqual(['GRAPHQL_PARSE_FAILED']);
    expect(answer.errors?.[0]?.message).toContain('2000 tokens');
  });

  it('is refused within a moment, whatever it is', async () => {
    const startedMs = performance.now();
    await ask(app, `{ ${'__typename '.repeat(1_990)} }`);
    await ask(app, bomb());
    expect(performance.now() - startedMs).toBeLessThan(3_000);
  });
});

describe('an ordinary document', () => {
  it("of GraphiQL's introspection passes", async () => {
    const { data } = await ask<{ __schema: { types: unknown[] } }>(
      app,
      getIntrospectionQuery({
        specifiedByUrl: true,
        directiveIsRepeatable: true,
        schemaDescription: true,
        inputValueDeprecation: true,
      }),
      {},
      {},
    );
    expect(data.__schema.types.length).toBeGreaterThan(30);
  });

  it('that pages through everything in sight passes', async () => {
    const query = `{ bulkTasks(first: 20) { edges { cursor node { __typename
      ... on TaskProgress { id state version progress counts { total processed succeeded failed } failures { edges { node { row key code message } } } }
      ... on BulkIssuanceTask { cards { edges { node { id cardNumber lastFourDigits } } } }
    } } pageInfo { hasNextPage } } }`;
    await issueCards(app, 1);
    expect((await ask(app, query)).errors).toBeUndefined();
  });

  it('may name one of several operations', async () => {
    const body = { query: 'query one { __typename } query two { a: __typename }', operationName: 'two' };
    expect((await post(app, JSON.stringify(body), json)).data).toEqual({ a: 'Query' });
  });
});

describe('a body', () => {
  it('over the limit is 413', async () => {
    const answer = await ask(app, '{ __typename }', { text: 'x'.repeat(11_000_000) });
    expect(answer.status).toBe(413);
    expect(codes(answer)).toEqual(['PAYLOAD_TOO_LARGE']);
  });

  it.each([
    ['broken JSON', '{"query":', json, 400, 'BAD_USER_INPUT'],
    ['an empty body', '', json, 400, 'BAD_USER_INPUT'],
    ['a batch', '[{"query":"{ __typename }"}]', json, 400, 'BAD_USER_INPUT'],
    ['null', 'null', json, 400, 'BAD_USER_INPUT'],
    ['no query', '{}', json, 400, 'BAD_USER_INPUT'],
    ['a query of another type', '{"query":5}', json, 400, 'BAD_USER_INPUT'],
    ['variables of another type', '{"query":"{ __typename }","variables":[]}', json, 400, 'BAD_USER_INPUT'],
    ['an unknown parameter', '{"query":"{ __typename }","nonsense":1}', json, 400, 'BAD_USER_INPUT'],
    ['a syntax error', '{"query":"{"}', json, 400, 'GRAPHQL_PARSE_FAILED'],
    ['an unknown field', '{"query":"{ nonsense }"}', json, 400, 'GRAPHQL_VALIDATION_FAILED'],
    [
      'an unknown operation',
      '{"query":"query a { __typename }","operationName":"b"}',
      json,
      400,
      'OPERATION_RESOLUTION_FAILURE',
    ],
    ['another media type', 'query', { 'content-type': 'text/plain' }, 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['a form', 'query=1', { 'content-type': 'application/x-www-form-urlencoded' }, 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['a multipart form without boundary', 'x', { 'content-type': 'multipart/form-data' }, 400, 'BAD_USER_INPUT'],
  ])('of %s is refused', async (_name, body, headers, status, code) => {
    const accept = { accept: 'application/graphql-response+json' };
    const answer = await post(app, body, { ...app.project.headers, ...accept, ...headers });
    expect({ status: answer.status, codes: codes(answer), data: answer.data }).toEqual({
      status,
      codes: [code],
      data: undefined,
    });
    expect(answer.errors?.[0]?.extensions.requestId).toBe(answer.headers.get('x-request-id'));
  });

  it('that stalls is 408', async () => {
    const { port } = new URL(app.url);
    const socket = connect(Number(port), '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    socket.write(
      'POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"query"',
    );
    const [text] = await once(socket, 'data');
    expect(String(text)).toMatch(/^HTTP\/1.1 408 [\s\S]*"code":"REQUEST_TIMEOUT"/);
  });
});

describe('a method', () => {
  it.each(['PUT', 'PATCH', 'DELETE'])('%s is 405', async (method) => {
    const answer = await readAnswer(await fetch(`${app.url}/graphql`, { method }));
    expect(answer.status).toBe(405);
    expect(answer.headers.get('allow')).toBe('GET, POST, OPTIONS');
    expect(codes(answer)).toEqual(['BAD_USER_INPUT']);
  });

  it('GET answers a query, not a mutation', async () => {
    const get = async (query: string) =>
      readAnswer(
        await fetch(`${app.url}/graphql?query=${encodeURIComponent(query)}`, { headers: app.project.headers }),
      );
    expect((await get('{ __typename }')).data).toEqual({ __typename: 'Query' });
    expect((await get('mutation { importVouchers(input: { vouchers: [] }) { task { id } } }')).status).toBe(405);
    expect(codes(await get(''))).toEqual(['BAD_USER_INPUT']);
  });

  it('OPTIONS lets every origin ask with credentials in headers', async () => {
    const headers = {
      origin: 'https://shop.example',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'x-app-id,x-app-token,content-type',
    };
    const response = await fetch(`${app.url}/graphql`, { method: 'OPTIONS', headers });
    expect(response.status).toBe(204);
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    expect(response.headers.get('access-control-allow-headers')).toBe('x-app-id,x-app-token,content-type');
  });
});

describe('a media type', () => {
  it('that is not offered is 406', async () => {
    const answer = await post(app, '{"query":"{ __typename }"}', { ...json, accept: 'image/png' });
    expect(answer.status).toBe(406);
    expect(codes(answer)).toEqual(['BAD_USER_INPUT']);
  });

  it('without streams is 406 for a subscription', async () => {
    const body = JSON.stringify({ query: 'subscription { bulkTasks { __typename } }' });
    const answer = await post(app, body, { ...json, ...app.project.headers, accept: 'application/json' });
    expect(answer.status).toBe(406);
  });
});

describe('a bug', () => {
  it('is told as an unexpected error with the id under which it is logged', async () => {
    const broken = await startTestApp();
    const { logs } = broken;
    await broken.app.db.destroy();
    const socket = overWebSocket(broken);
    onTestFinished(() => socket.dispose());
    const answer = await ask(
      broken,
      '{ bulkTasks { edges { cursor } } }',
      {},
      { authorization: await broken.project.bearer() },
    );
    expect(answer.errors).toMatchObject([
      { message: 'Unexpected error', extensions: { code: 'INTERNAL_SERVER_ERROR' } },
    ]);
    const logged = logs.find(({ event }) => event === 'graphql.failed');
    expect(logged?.fields).toEqual({ request: answer.errors?.[0]?.extensions.requestId, error: expect.any(Error) });
    expect((await ask(broken, '{ __typename }')).status).toBe(500);
    await expect(readAll(socket.subscribe('{ __typename }'))).rejects.toMatchObject({ code: 1013 });
  });
});

describe('a WebSocket', () => {
  it('of another subprotocol is closed with 4406', async () => {
    for (const protocols of [[], ['graphql-ws']]) {
      const socket = new WebSocket(app.wsUrl, protocols);
      expect((await once(socket, 'close'))[0]).toBe(4406);
    }
  });

  it('with a message over 1 MiB is closed with 1009', async () => {
    const socket = await open();
    socket.send('x'.repeat(1_048_577));
    expect((await once(socket, 'close'))[0]).toBe(1009);
  });

  it('with a message that is none is closed with 4400', async () => {
    for (const message of ['nonsense', '{"type":"nonsense"}', '[]', '5']) {
      const socket = await open();
      socket.send(message);
      expect((await once(socket, 'close'))[0]).toBe(4400);
    }
  });

  it('runs at most 1,000 operations at a time', async () => {
    const socket = await open();
    const id = await issueCards(app, 1);
    const refused: string[] = [];
    let begun = 0;
    const all = new Promise<void>((resolve) => {
      socket.on('message', (data) => {
        const { type, id: operation } = JSON.parse(String(data));
        if (type === 'error') refused.push(operation);
        if (type === 'next') begun += 1;
        if (begun + refused.length === 1_002) resolve();
      });
    });
    const query = 'subscription ($id: ID!) { bulkTask(id: $id) { __typename } }';
    for (let index = 1; index <= 1_002; index += 1) {
      socket.send(JSON.stringify({ type: 'subscribe', id: String(index), payload: { query, variables: { id } } }));
    }
    await all;
    expect(refused).toEqual(['1001', '1002']);
    socket.close();
  });

  it('on another path is 404', async () => {
    const socket = new WebSocket(app.wsUrl.replace('/graphql', '/elsewhere'), 'graphql-transport-ws');
    const [error] = await once(socket, 'error');
    expect(String(error)).toContain('404');
  });

  async function open(): Promise<WebSocket> {
    const socket = new WebSocket(app.wsUrl, 'graphql-transport-ws');
    onTestFinished(() => socket.terminate());
    await once(socket, 'open');
    socket.send(JSON.stringify({ type: 'connection_init', payload: app.project.headers }));
    await once(socket, 'message');
    return socket;
  }
});

describe('an upgrade to another protocol', () => {
  it('is ignored, so that clients that ask for h2c are answered', async () => {
    const headers = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABkAAQAAP__' };
    const [response] = await once(request(`${app.url}/healthz`, { headers }).end(), 'response');
    expect(response.statusCode).toBe(200);
    response.resume();
  });
});

describe('server-sent events', () => {
  it('tell what is wrong with a document as an event', async () => {
    const sse = overSse(app);
    onTestFinished(() => sse.dispose());
    const { value } = await sse.subscribe('subscription { nonsense }').next();
    expect(value).toMatchObject({ errors: [{ extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } }] });
  });
});
