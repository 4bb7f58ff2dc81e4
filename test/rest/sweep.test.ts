import { beforeAll, describe, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { createClient, readAnswer, sendRaw } from './client.ts';
import { type Documented, document, documented } from './openapi-document.ts';
import { exampleBody, startWalk, type Told } from './openapi-walk.ts';

/** Every route is given what nobody should send. What it answers is always as documented, never our fault, and gives nothing away. */

const inside = /relation "|select |insert into|node_modules|\.ts\b|\.js\b|\n\s+at |postgres|ECONN|undefined|\[object/i;

const walk = startWalk();
let app: TestApp;

beforeAll(async () => {
  // Without a worker, so that whatever is started stays as it was accepted.
  app = await startTestApp({ role: 'gateway', settings: { BULKCAST_MAX_BODY_BYTES: '100000', BULKCAST_LOG: 'debug' } });
});

describe('a method that a path does not have', () => {
  const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'LOCK'];

  test.each(Object.entries(document.paths))('%s', async (path, operations) => {
    const at = path.replaceAll(/\{\w+\}/g, 'x');
    const allowed = [...new Set(methodsAt(at))].sort();
    for (const method of methods.filter((one) => !allowed.includes(one))) {
      const { status, headers, body, text } = await sendMethod(method, at);
      expect([method, status, headers.get('allow')]).toEqual([method, 405, allowed.join(', ')]);
      expectShape(path, { status, headers, body, text });
    }
    expect(Object.keys(operations).length).toBeGreaterThan(0);
  });

  test.each([
    '/v1/nothing',
    '/v2/nothing',
    '/nothing',
    '/v1',
    '/v2/',
    '/docs/x',
    '//',
    '/V1/orders',
    '/v1/orders/',
    '/*',
  ])('nor does %s, which is no path', async (at) => {
    for (const method of methods.filter((one) => one !== 'HEAD')) {
      const told = await sendMethod(method, at);
      expect([method, told.status]).toEqual([method, 404]);
      expectShape(at, told);
    }
  });
});

/** A voucher may have the code `import`, so what is told of `/v1/vouchers/{code}` holds at `/v1/vouchers/import` too. */
function methodsAt(at: string): string[] {
  return documented
    .filter(({ path }) => new URLPattern({ pathname: path.replaceAll(/\{(\w+)\}/g, ':$1') }).test({ pathname: at }))
    .map(({ method }) => method);
}

describe('a body that nobody should send', () => {
  const deep = `${'['.repeat(70)}${']'.repeat(70)}`;
  const bodies = ['null', '[]', '{}', '"x"', '5', 'true', '[null]', '[[]]', '[{}]', '{"":1}', '1e999', deep, '{', ''];
  const values = ['null', '{}', '-1', '1e300', '"\\u0000"', '"\\ud800"', `"${'x'.repeat(5_000)}"`, '[null]', 'true'];

  test.each(documented.filter(({ requestBody }) => requestBody?.content['application/json']))(
    '$method $path',
    async (operation) => {
      const { properties = {} } = Object(operation.requestBody?.content['application/json']?.schema);
      const fields = Object.keys(properties).flatMap((name) => values.map((value) => `{"${name}":${value}}`));
      for (const body of [...bodies, ...fields]) {
        await expectRefusedOrDone(operation, { body, headers: { 'content-type': 'application/json' } }, body);
      }
    },
  );

  const forms = ['', 'x', '%', 'a=%zz&b', 'username=%00&password=%00', 'grant_type[]=x&scope=%00', '='.repeat(5_000)];
  test.each(documented.filter(({ requestBody }) => requestBody && !requestBody.content['application/json']))(
    '$method $path',
    async (operation) => {
      const [type = ''] = Object.keys(operation.requestBody?.content ?? {});
      const isForm = type.startsWith('multipart');
      const multipart = [
        '',
        '--x',
        '--x--',
        '--x\r\n\r\n',
        `--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n\0\r\n--x--`,
      ];
      for (const contentType of isForm
        ? [type, `${type}; boundary=x`, `${type}; boundary="`]
        : [type, `${type}; charset=x`]) {
        for (const body of isForm ? multipart : forms) {
          await expectRefusedOrDone(operation, { body, headers: { 'content-type': contentType } }, body);
        }
      }
    },
  );
});

describe('a path or query that nobody should send', () => {
  const values = [
    '%00',
    '%FF',
    '%zz',
    '%2e%2e%2f%2e%2e',
    "x';select",
    'x'.repeat(300),
    'x'.repeat(2_501),
    '%ED%A0%80',
    '*',
    '%0d%0a',
  ];

  test.each(documented.filter(({ method, path }) => method !== 'HEAD' && path.includes('{')))(
    '$method $path',
    async (operation) => {
      const names = [...operation.path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
      for (const name of names) {
        for (const value of values) {
          const path = { programId: app.project.programId, [name]: value };
          await expectRefusedOrDone(operation, { path, ...exampleBody(operation) }, value);
        }
      }
    },
  );

  const given = ['', '\0', '-1', '9'.repeat(30), "';"];
  test.each(
    documented.filter(({ method, parameters }) => method !== 'HEAD' && parameters?.some((one) => one.in === 'query')),
  )('$method $path and its query', async (operation) => {
    const names = (operation.parameters ?? []).flatMap((one) => (one.in === 'query' ? [one.name] : []));
    const odd = ['filters[x]', 'filters[code][conditions][$is]', 'filters[junction]', 'ids[]', '__proto__', 'limit[]'];
    for (const name of [...names, ...odd]) {
      for (const value of given) {
        const path = { programId: app.project.programId };
        await expectRefusedOrDone(
          operation,
          { path, query: { [name]: value }, ...exampleBody(operation) },
          `${name}=${value}`,
        );
      }
    }
  });
});

async function expectRefusedOrDone(
  operation: Documented,
  ask: Parameters<typeof walk.ask>[2],
  what: string,
): Promise<void> {
  const headers = { ...app.project.headers, ...ask?.headers };
  const told = await walk.ask(app.url, operation, { ...ask, headers });
  if (told.status < 400) return;
  expect([what, told.status >= 500, told.text]).toEqual([what, false, told.text]);
  if (operation.method !== 'HEAD') expectShape(operation.path, told);
}

/** The shape of the path's door, with the id of the request wherever the contract has a place for it. */
function expectShape(path: string, { status, headers, body, text }: Told): void {
  const id = headers.get('x-request-id') ?? '';
  expect(id).toMatch(/^v-[0-9a-f]{18}$/);
  const logged = app.logs.findLast(({ event, fields }) => event === 'request.refused' && fields.request === id);
  expect(logged?.fields).toMatchObject({ status });
  expect(text).not.toMatch(inside);
  if (text === '') return;
  const whole = Object(body);
  if (path.startsWith('/v1/') && status !== 413) {
    expect(whole).toMatchObject({ code: status, message: expect.any(String) });
    if (![401, 405, 429].includes(status)) expect(whole.request_id).toBe(id);
  } else if (path.startsWith('/v2/')) expect(whole).toHaveProperty('detail');
  else if (!path.startsWith('/v')) {
    expect(headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(whole).toMatchObject({ status, requestId: id });
  }
}

async function sendMethod(method: string, at: string): Promise<Told> {
  const { call } = createClient(app);
  if (!['TRACE', 'PROPFIND', 'LOCK'].includes(method)) return call<unknown>(method, at);
  const text = await sendRaw(app.url, `${method} ${at} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
  const [head = '', ...rest] = text.split('\r\n\r\n');
  const [line = '', ...lines] = head.split('\r\n');
  const headers = new Headers(lines.map((one) => one.split(': ', 2) as [string, string]));
  return readAnswer<unknown>(new Response(rest.join('\r\n\r\n'), { status: Number(line.split(' ')[1]), headers }));
}
