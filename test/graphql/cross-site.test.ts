import { once } from 'node:events';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { codes, readAnswer } from './client.ts';

let app: TestApp;
let confined: TestApp;
beforeAll(async () => {
  app = await startTestApp({ role: 'gateway' });
  const settings = { BULKCAST_CORS_ORIGINS: 'https://shop.example, http://localhost:3000' };
  confined = await startTestApp({ role: 'gateway', database: app.database, settings });
});

/** Fetch would not let these headers be set. */
async function get(headers: Record<string, string>) {
  const [response] = await once(request(`${app.url}/graphql?query={__typename}`, { headers }).end(), 'response');
  return readAnswer(new Response(await text(response), { status: response.statusCode }));
}

describe('a GET that a page of another site may have caused', () => {
  it.each([
    ['an image or a script', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }],
    ['a sibling domain', { 'sec-fetch-site': 'same-site' }],
    ['an older browser', { origin: 'https://evil.example' }],
    ['a sandboxed frame', { origin: 'null' }],
  ])('as %s is refused', async (_name, headers) => {
    const answer = await get(headers);
    expect([answer.status, codes(answer)]).toEqual([403, ['FORBIDDEN']]);
  });

  it.each([
    ['credentials', () => app.project.headers],
    ['GraphQL-Require-Preflight', () => ({ 'graphql-require-preflight': '1' })],
    ['Apollo-Require-Preflight', () => ({ 'apollo-require-preflight': 'true' })],
    ['a content type of JSON', () => ({ 'content-type': 'application/json' })],
  ])('is answered with %s, which a browser asks about first', async (_name, headers) => {
    const answer = await get({ 'sec-fetch-site': 'cross-site', ...headers() });
    expect([answer.status, answer.data]).toEqual([200, { __typename: 'Query' }]);
  });

  it('is answered to a page of our own, and to what is no browser', async () => {
    expect((await get({ 'sec-fetch-site': 'same-origin' })).status).toBe(200);
    expect((await get({ origin: app.url })).status).toBe(200);
    expect((await get({})).status).toBe(200);
  });
});

describe('a form of another site', () => {
  const post = (headers: Record<string, string>, body: BodyInit) =>
    fetch(`${app.url}/graphql`, { method: 'POST', headers: { 'sec-fetch-site': 'cross-site', ...headers }, body });

  it.each(['text/plain', 'application/x-www-form-urlencoded'])(
    'of type %s is refused, whatever is in it',
    async (type) => {
      const response = await post({ 'content-type': type }, '{"query":"{ __typename }"}');
      expect(response.status).toBe(415);
    },
  );

  it('that is multipart starts nothing', async () => {
    const form = new FormData();
    form.set('operations', '{"query":"mutation { __typename }"}');
    form.set('map', '{}');
    const answer = await readAnswer(await post({ origin: 'https://evil.example' }, form));
    expect([answer.status, codes(answer)]).toEqual([403, ['FORBIDDEN']]);
  });
});

describe('BULKCAST_CORS_ORIGINS', () => {
  const ask = (origin: string, init: RequestInit = {}) =>
    fetch(`${confined.url}/graphql?query={__typename}`, {
      ...init,
      headers: { origin, 'graphql-require-preflight': '1', 'access-control-request-method': 'POST' },
    });

  it('lets pages of these origins read answers, and no others', async () => {
    for (const method of ['GET', 'OPTIONS']) {
      const shop = await ask('https://shop.example', { method });
      expect(shop.headers.get('access-control-allow-origin')).toBe('https://shop.example');
      expect(shop.headers.get('vary')).toContain('origin');
      const other = await ask('https://shop.example.evil', { method });
      expect(other.headers.get('access-control-allow-origin')).toBeNull();
      expect(other.headers.get('vary')).toContain('origin');
    }
    expect((await ask('http://localhost:3000')).headers.get('access-control-allow-origin')).toBe(
      'http://localhost:3000',
    );
  });
});
