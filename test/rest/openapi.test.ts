import { Ajv2020 } from 'ajv/dist/2020.js';
import { beforeAll, expect, test } from 'vitest';
import { printedOpenApi } from '../../src/rest/openapi.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { createClient, present } from './client.ts';

interface Document {
  readonly openapi: string;
  readonly paths: Record<
    string,
    Record<
      string,
      {
        readonly operationId: string;
        readonly security?: readonly object[];
        readonly requestBody?: { readonly required?: boolean; readonly content: object };
      }
    >
  >;
  readonly components: { readonly schemas: Record<string, object> };
}

const document: Document = JSON.parse(printedOpenApi());
const methods = ['get', 'post', 'put', 'delete'];

let app: TestApp;

beforeAll(async () => {
  app = await startTestApp();
});

test('is printed the same every time, with references that lead somewhere and schemas that compile', () => {
  expect(printedOpenApi()).toBe(printedOpenApi());
  expect(printedOpenApi().endsWith('}\n')).toBe(true);
  expect(document.openapi).toBe('3.1.0');
  const references = [...printedOpenApi().matchAll(/"#\/components\/schemas\/([^"]+)"/g)].map(
    (match) => match[1] ?? '',
  );
  for (const name of references) expect(document.components.schemas).toHaveProperty([name]);
  expect(Object.keys(document.components.schemas).sort()).toEqual([...new Set(references)].sort());
  const ajv = new Ajv2020({ strict: false, validateFormats: false }).addSchema(document, 'printed');
  for (const name of references) expect(ajv.getSchema(`printed#/components/schemas/${name}`)).toBeDefined();
  const ids = Object.values(document.paths).flatMap((path) =>
    Object.values(path).map(({ operationId }) => operationId),
  );
  expect(new Set(ids).size).toBe(ids.length);
});

test('tells every path and method that the server has, and no other', async () => {
  const { call } = createClient(app);
  for (const path of Object.keys(document.paths)) {
    const at = path.replaceAll(/\{\w+\}/g, 'x');
    const { headers } = await call('TRACE', at, { headers: {} }).catch(() => call('PATCH', at, { headers: {} }));
    const allowed = present(headers.get('allow'))
      .toLowerCase()
      .split(', ')
      .filter((method) => methods.includes(method));
    expect([path, allowed]).toEqual([path, methodsAt(at)]);
  }
});

/** A voucher may have the code `import`, so what is told of `/v1/vouchers/{code}` holds at `/v1/vouchers/import` too. */
function methodsAt(at: string): string[] {
  const told = Object.entries(document.paths).filter(([path]) => {
    return new URLPattern({ pathname: path.replaceAll(/\{(\w+)\}/g, ':$1') }).test({ pathname: at });
  });
  return [...new Set(told.flatMap(([, operations]) => Object.keys(operations)))].sort();
}

test('tells which operations ask for no credentials', async () => {
  const { call } = createClient(app);
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const [method, { security }] of Object.entries(operations)) {
      const { status } = await call(method.toUpperCase(), path.replaceAll(/\{\w+\}/g, 'x'), { headers: {} });
      expect([path, method, status === 401]).toEqual([path, method, security === undefined]);
    }
  }
});

test('asks for a body exactly where a request without one is refused', async () => {
  const { call, post } = createClient(app);
  const x = { source_id: 'x', name: 'x' };
  await post('/v1/campaigns', { name: 'x', voucher: { type: 'GIFT_VOUCHER', gift: { amount: 1 } } });
  for (const path of ['customers', 'products', 'orders', 'products/x/skus']) await post(`/v1/${path}`, x);
  const told: string[] = [];
  const found: string[] = [];
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const [method, { requestBody }] of Object.entries(operations)) {
      if (requestBody === undefined || !('application/json' in requestBody.content)) continue;
      told.push(`${method} ${path} ${requestBody.required === true}`);
      const at = path.replace('{programId}', app.project.programId).replaceAll(/\{\w+\}/g, 'x');
      const headers = { ...app.project.headers, 'content-type': 'application/json' };
      const { status } = await call(method.toUpperCase(), at, { headers });
      found.push(`${method} ${path} ${status >= 300}`);
    }
  }
  expect(told).toEqual(found);
});
