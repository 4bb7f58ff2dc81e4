import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { FastifyInstance } from 'fastify';
import { beforeAll, expect, test } from 'vitest';
import { printedOpenApi } from '../../src/rest/openapi.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { createClient } from './client.ts';
import { document, documented } from './openapi-document.ts';

/** GraphQL's contract is its schema, and GraphQL over HTTP. */
const toldElsewhere = ' /graphql';
const routes = new Set<string>();
let app: TestApp;

beforeAll(async () => {
  // Fastify announces each server before it gets its routes.
  const announced = (message: unknown) => {
    const { fastify: server } = message as { fastify: FastifyInstance };
    server.addHook('onRoute', ({ method, url }) => {
      for (const one of [method].flat()) routes.add(`${one} ${url}`);
    });
  };
  subscribe('fastify.initialization', announced);
  app = await startTestApp();
  unsubscribe('fastify.initialization', announced);
});

test('is printed the same every time, with references that lead somewhere and schemas that compile', () => {
  expect(printedOpenApi()).toBe(printedOpenApi());
  expect(printedOpenApi().endsWith('}\n')).toBe(true);
  expect(document.openapi).toBe('3.1.0');
  for (const kind of ['schemas', 'responses', 'headers'] as const) {
    const named = new RegExp(`"#/components/${kind}/([^"]+)"`, 'g');
    const references = new Set([...printedOpenApi().matchAll(named)].map(([, name]) => name));
    expect([...references].sort()).toEqual(Object.keys(document.components[kind]).sort());
  }
  const ajv = new Ajv2020({ strict: false, validateFormats: false }).addSchema(document, 'printed');
  for (const name of Object.keys(document.components.schemas))
    expect(ajv.getSchema(`printed#/components/schemas/${name}`)).toBeDefined();
  const ids = Object.values(document.paths).flatMap((path) =>
    Object.values(path).map(({ operationId }) => operationId),
  );
  expect(new Set(ids).size).toBe(ids.length);
});

test('tells every route that the server has, and no other', () => {
  const told = documented.map(({ method, path }) => `${method} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`);
  expect(told.sort()).toEqual([...routes].filter((route) => !route.endsWith(toldElsewhere)).sort());
});

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
