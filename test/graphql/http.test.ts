import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { ask, codes, overSse, overWebSocket, post, readAll, readAnswer } from './client.ts';

const json = { 'content-type': 'application/json' };

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp({ role: 'gateway', settings: { BULKCAST_UPLOAD_STALL_MS: '300' } });
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
  it.each(['PATCH', 'PROPFIND', 'REPORT', 'M-SEARCH'])('%s is 405', async (method) => {
    const answer = await readAnswer(await fetch(`${app.url}/graphql`, { method }));
    expect(answer.status).toBe(405);
    expect(answer.headers.get('allow')).toBe('GET, POST, PUT, DELETE, OPTIONS');
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

describe('the latency metric', () => {
  it('counts what is answered, and no stream', async () => {
    const count = async () => {
      const { values } = await app.app.metrics.requestSeconds.get();
      const counted = values.filter(({ metricName }) => metricName?.endsWith('_count'));
      return counted.reduce((sum, { labels, value }) => sum + (labels.door === 'graphql' ? value : 0), 0);
    };
    const before = await count();
    await ask(app, '{ __typename }');
    await ask(app, '{ __typename }', {}, { 'x-app-id': 'nobody' });
    expect(await count()).toBe(before + 2);
    const sse = overSse(app);
    await sse.subscribe('subscription { bulkTask(id: "none") { __typename } }').next();
    await sse.dispose();
    expect(await count()).toBe(before + 2);
  });
});
