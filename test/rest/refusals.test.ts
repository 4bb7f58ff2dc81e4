import { fastify } from 'fastify';
import { sql } from 'kysely';
import { beforeAll, describe, expect, test } from 'vitest';
import { answerUnreadablePath } from '../../src/rest/server.ts';
import { newRequestId } from '../../src/tasks/ids.ts';
import { checkAsyncAction, checkIssuance } from '../support/contracts.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { type Client, createClient, sendRaw } from './client.ts';

const maxBytes = 200_000;
const requestId = /^v-[0-9a-f]{18}$/;

let app: TestApp;
let client: Client;

beforeAll(async () => {
  app = await startTestApp({
    settings: { BULKCAST_MAX_BODY_BYTES: String(maxBytes), BULKCAST_UPLOAD_STALL_MS: '300' },
  });
  client = createClient(app);
});

describe('a path that does not exist', () => {
  test.each(['/v1', '/v1/', '/v1/nothing', '/v1/vouchers/a/b', '/v1/async-actions/'])('%s', async (path) => {
    const { status, body, headers } = await client.get(path);
    expect(status).toBe(404);
    checkAsyncAction('Error', body);
    expect(body).toMatchObject({ code: 404, key: 'not_found', request_id: headers.get('x-request-id') });
    expect(headers.get('x-request-id')).toMatch(requestId);
  });

  test.each(['/v2', '/v2/', '/v2/nothing', '/v2/giftcards/programs'])('%s', async (path) => {
    const { status, body, headers } = await client.get(path);
    expect([status, body]).toEqual([404, { detail: 'Not Found' }]);
    expect(headers.get('x-request-id')).toMatch(requestId);
  });

  test.each(['/', '/v3', '/v1x', '/nothing'])('%s', async (path) => {
    const { status, body, headers } = await client.get(path);
    expect(status).toBe(404);
    expect(headers.get('content-type')).toMatch(/^application\/problem\+json/);
    const told = { type: 'about:blank', title: 'Not Found', status: 404, detail: expect.any(String) };
    expect(body).toEqual({ ...told, requestId: headers.get('x-request-id') });
  });

  test('is told as such even when its body is broken, and to whoever asks', async () => {
    for (const path of ['/v1/nothing', '/v2/nothing']) {
      const headers = { 'content-type': 'application/json' };
      expect((await client.call('POST', path, { headers, body: '{' })).status).toBe(404);
      expect((await client.call('POST', path, { headers: { 'content-type': 'text/xml' }, body: '<a/>' })).status).toBe(
        404,
      );
    }
  });
});

describe('a method that a path does not have', () => {
  test.each([
    ['PUT', '/v1/async-actions', 'GET, HEAD', 'Did you mean GET?'],
    ['PUT', '/v1/vouchers/import', 'GET, HEAD, POST', 'Did you mean GET or POST?'],
    ['DELETE', '/v1/vouchers/a%2Fb?force=true', 'GET, HEAD', 'Did you mean GET?'],
    ['OPTIONS', '/v1/vouchers/importCSV', 'GET, HEAD, POST', 'Did you mean GET or POST?'],
    ['PATCH', '/v1/async-actions/x', 'GET, HEAD', 'Did you mean GET?'],
  ])('%s %s', async (method, path, allow, hint) => {
    const { status, body, headers } = await client.call(method, path, { body: '{', headers: {} });
    expect(status).toBe(405);
    checkAsyncAction('Error', body);
    expect(body).toEqual({
      code: 405,
      message: 'HTTP Method Not Allowed',
      details: `${method} is not supported by this endpoint. ${hint}`,
    });
    expect(headers.get('allow')).toBe(allow);
  });

  test.each([
    ['GET', '/v2/token', 'POST'],
    ['DELETE', '/v2/giftcards/programs/5eb7cf5a86d9755df3a6c593/cards/bulk/x', 'GET, HEAD'],
    ['POST', '/v2/giftcards/programs/5eb7cf5a86d9755df3a6c593/cards/bulk/x/cards.csv', 'GET, HEAD'],
  ])('%s %s', async (method, path, allow) => {
    const { status, body, headers } = await client.call(method, path, { headers: {} });
    expect([status, body]).toEqual([405, { detail: 'Method Not Allowed' }]);
    expect(headers.get('allow')).toBe(allow);
  });
});

describe('a body that cannot be read', () => {
  const json = { 'content-type': 'application/json' };

  test.each([
    ['{"count": }', 'Unexpected token', 0],
    ['{"count": 1', 'Expected', 11],
    ['[1, 2', 'Expected', 5],
    ['not json', 'Unexpected token', 0],
    ['{"a": 1} x', 'Unexpected', 9],
  ])('%s', async (text, reason, position) => {
    const issuance = await client.post(client.bulk, text, json);
    expect(issuance.status).toBe(422);
    checkIssuance('HTTPValidationError', issuance.body);
    expect(issuance.body).toEqual({
      detail: [
        {
          loc: ['body', position],
          msg: 'JSON decode error',
          type: 'json_invalid',
          input: {},
          ctx: { error: expect.stringContaining(reason) },
        },
      ],
    });
    const action = await client.post('/v1/vouchers/import', text, json);
    expect(action.status).toBe(400);
    checkAsyncAction('Error', action.body);
    expect(action.body).toMatchObject({
      key: 'invalid_payload',
      message: 'Invalid payload',
      details: expect.stringContaining(reason),
    });
  });

  test.each(['text/plain', 'text/csv', 'application/xml', 'nonsense', 'multipart/form-data; boundary=x'])(
    '%s',
    async (type) => {
      const issuance = await client.post(client.bulk, 'x', { 'content-type': type });
      expect([issuance.status, issuance.body]).toEqual([415, { detail: 'Unsupported Media Type' }]);
      const action = await client.post('/v1/vouchers/import', 'x', { 'content-type': type });
      expect([action.status, action.body]).toMatchObject([415, { code: 415, key: 'unsupported_media_type' }]);
      checkAsyncAction('Error', action.body);
    },
  );

  test('that is larger than allowed, announced or not', async () => {
    const text = JSON.stringify(['x'.repeat(12_000_000)]);
    const action = await client.post('/v1/vouchers/import', text, json);
    const other = {
      statusCode: 413,
      error: 'Request Entity Too Large',
      message: `Payload content length greater than maximum allowed: ${maxBytes}`,
    };
    expect([action.status, action.body]).toEqual([413, other]);
    const issuance = await client.post(client.bulk, text, json);
    expect([issuance.status, issuance.body]).toEqual([413, { detail: expect.any(String) }]);
    const chunked = await sendRaw(
      app.url,
      head('/v1/vouchers/import', 'Transfer-Encoding: chunked') + chunks(maxBytes + 1),
    );
    expect(chunked).toMatch(/^HTTP\/1\.1 413 /);
    expect(chunked).toContain(JSON.stringify(other));
  });

  test('that stalls is answered with 408', async () => {
    const action = await sendRaw(app.url, `${head('/v1/vouchers/import', 'Content-Length: 100')}[`);
    const issuance = await sendRaw(app.url, `${head(client.bulk, 'Content-Length: 100')}{`);
    expect(action).toMatch(/^HTTP\/1\.1 408 .*"key":"request_timeout"/s);
    expect(issuance).toMatch(/^HTTP\/1\.1 408 .*\{"detail":"Only 0 bytes of the body came in 300 ms"\}/s);
  });

  test('that is none of HTTP is answered with 400', async () => {
    for (const text of ['nonsense\r\n\r\n', 'GET /v1/async-actions HTTP/1.1\r\nBad Header: x\r\n\r\n']) {
      expect(await sendRaw(app.url, text)).toMatch(/^HTTP\/1\.1 400 /);
    }
    const bad = `${head('/v1/vouchers/import', 'Transfer-Encoding: chunked')}zz\r\n`;
    expect(await sendRaw(app.url, bad)).toMatch(/^HTTP\/1\.1 400 /);
  });

  test('is read no further when the credentials are wrong', async () => {
    const text = head('/v1/vouchers/import', 'Content-Length: 1000000000').replace(
      /X-App-Token: \S+/,
      'X-App-Token: no',
    );
    expect(await sendRaw(app.url, `${text}[`)).toMatch(/^HTTP\/1\.1 401 /);
  });
});

test('keys of objects that JavaScript knows are just unknown fields', async () => {
  const body = '{"initialValue": 5, "count": 1, "__proto__": {"isPhysical": true}, "constructor": 1}';
  const answer = await client.post(client.bulk, body, { 'content-type': 'application/json' });
  expect(answer.status).toBe(422);
  expect(answer.body).toMatchObject({ detail: [{ loc: ['body', '__proto__'] }, { loc: ['body', 'constructor'] }] });
});

test('tells nothing of a failure inside but the id of the request, and logs its cause', async () => {
  await sql`alter table tasks rename to tasks_hidden`.execute(app.app.db);
  try {
    const action = await client.get('/v1/async-actions/aa_000000000000000000');
    expect(action.status).toBe(500);
    checkAsyncAction('Error', action.body);
    const id = action.headers.get('x-request-id');
    expect(action.body).toEqual({ code: 500, key: 'internal_error', message: 'Internal server error', request_id: id });
    const issuance = await client.post(client.bulk, { initialValue: 5, count: 1 });
    const otherId = issuance.headers.get('x-request-id');
    expect([issuance.status, issuance.body]).toEqual([500, { detail: `Internal Server Error; request ${otherId}` }]);
    for (const { text } of [action, issuance]) expect(text).not.toMatch(/tasks|relation|select|\.ts|at /i);
    const logged = app.logs.filter(({ event }) => event === 'request.failed');
    expect(logged.map(({ fields }) => fields.request)).toEqual([id, otherId]);
    expect(logged[0]?.fields).toMatchObject({ route: '/v1/async-actions/:asyncActionId', error: expect.any(Error) });
  } finally {
    await sql`alter table tasks_hidden rename to tasks`.execute(app.app.db);
  }
});

test('a path that cannot be decoded is told in the shape of its door', async () => {
  const server = fastify({
    frameworkErrors: answerUnreadablePath(app.app.log),
    genReqId: () => newRequestId(),
    routerOptions: { maxParamLength: 10 },
  });
  server.get('/v1/vouchers/:code', async () => 'found');
  server.get('/v2/x/:id', async () => 'found');
  server.get('/other/:id', async () => 'found');
  const url = await server.listen({ port: 0, host: '127.0.0.1' });
  try {
    const read = async (path: string) => {
      const response = await fetch(`${url}${path}`);
      return [response.status, await response.json()];
    };
    expect(await read('/v1/vouchers/%zz')).toMatchObject([
      400,
      { code: 400, request_id: expect.stringMatching(requestId) },
    ]);
    expect(await read('/v1/vouchers/12345678901')).toMatchObject([404, { code: 404, key: 'not_found' }]);
    expect(await read('/v2/x/%zz')).toEqual([400, { detail: 'The path is not valid percent-encoding' }]);
    expect(await read('/v2/x/12345678901')).toEqual([404, { detail: 'Not Found' }]);
    expect(await read('/other/%zz')).toMatchObject([400, { title: 'Bad Request', status: 400 }]);
  } finally {
    await server.close();
  }
});

function head(path: string, framing: string): string {
  const { 'x-app-id': id, 'x-app-token': token } = app.project.headers;
  return (
    `POST ${path} HTTP/1.1\r\nHost: x\r\nX-App-Id: ${id}\r\nX-App-Token: ${token}\r\nConnection: close\r\n` +
    `Content-Type: application/json\r\n${framing}\r\n\r\n`
  );
}

function chunks(bytes: number): string {
  const size = 10_000;
  const chunk = `${size.toString(16)}\r\n${' '.repeat(size)}\r\n`;
  return `${chunk.repeat(Math.ceil(bytes / size))}0\r\n\r\n`;
}
