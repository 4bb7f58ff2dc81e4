import { once } from 'node:events';
import { beforeAll, expect, test } from 'vitest';
import { runAction } from '../support/actions.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { waitFor } from '../support/wait.ts';
import { ask, importVouchers, post, succeeded } from './client.ts';
import { openRawSocket } from './raw-socket.ts';

let app: TestApp;

beforeAll(async () => {
  app = await startTestApp();
});

test('a file cannot be forged in JSON', async () => {
  const query = 'mutation ($f: File!) { importVouchersCsv(input: { file: $f }) { task { id } } }';
  for (const stream of [{}, 'Code\n', ['Code\n']]) {
    const answer = await ask(app, query, { f: { stream, filename: 'x.csv' } });
    expect(answer.data).toBeFalsy();
    expect(answer.errors?.[0]?.message).toContain('File');
  }
});

test('values nested deeper than any client needs are refused before anybody walks them', async () => {
  const deep = `${'['.repeat(5_000)}${']'.repeat(5_000)}`;
  const answer = await post(app, `{"query":"{ __typename }","variables":{"x":${deep}}}`, {
    'content-type': 'application/json',
    ...app.project.headers,
  });
  expect([answer.status, answer.errors?.[0]?.extensions.code]).toEqual([400, 'BAD_USER_INPUT']);
  const response = await fetch(`${app.url}/v1/vouchers/import`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...app.project.headers },
    body: `[{"code":"A","metadata":{"x":${deep}}}]`,
  });
  expect([response.status, await response.json()]).toMatchObject([400, { key: 'invalid_payload' }]);
});

test('a key with a backslash is refused at every door, and later keys are read as they are', async () => {
  const poison = String.raw`{"code":"POISON","gift":{"amount":1},"metadata":{"h":1,"path\\":2}}`;
  const headers = { 'content-type': 'application/json', ...app.project.headers };
  const start = 'mutation ($v: [VoucherInput!]!) { importVouchers(input: { vouchers: $v }) { task { id } } }';
  const refused = await post(app, `{"query":"${start}","variables":{"v":[${poison}]}}`, headers);
  expect([refused.status, refused.errors?.[0]?.message]).toEqual([400, expect.stringContaining('backslash')]);
  const post1 = (body: string) => fetch(`${app.url}/v1/vouchers/import`, { method: 'POST', headers, body });
  expect((await post1(`[${poison}]`)).status).toBe(400);
  const { socket } = await openRawSocket(`${app.url.replace('http', 'ws')}/graphql`, app.project.headers);
  socket.send(`{"id":"1","type":"subscribe","payload":{"query":"${start}","variables":{"v":[${poison}]}}}`);
  expect(await once(socket, 'close')).toEqual([4400, expect.anything()]);
  const header = Buffer.from(String.raw`{"alg":"HS256","x":[{"h":1,"path\\":0}]}`).toString('base64url');
  expect((await ask(app, '{ __typename }', {}, { authorization: `Bearer ${header}.e30.AAAA` })).status).toBe(401);
  const cell = String.raw`{""h"":1,""path\\"":0}`;
  const skus = await runAction(app, '/v1/skus/importCSV', `product_id,source_id,sku,attributes\nP,S,S,"${cell}"`);
  expect(skus.result.failed).toMatchObject([{ reason: expect.stringContaining('backslash') }]);
  const id = await importVouchers(app, [{ code: 'KEYS', gift: { amount: 1 }, metadata: { h: 1, 'path"': 2 } }]);
  await succeeded(app, id);
  const { metadata } = await app.app.db
    .selectFrom('vouchers')
    .select('metadata')
    .where('code', '=', 'KEYS')
    .executeTakeFirstOrThrow();
  expect(metadata).toEqual({ h: 1, 'path"': 2 });
});

test('a moment with a far offset is stored as the moment it is', async () => {
  const query = `mutation ($p: ID!) { issueGiftCards(input: { programId: $p, initialValue: 1, count: 1, expiresAt: "2030-01-01T00:00:00+23:00" }) {
    task { id } userErrors { message } } }`;
  const answer = await ask<{ issueGiftCards: { task: { id: string } } }>(app, query, { p: app.project.programId });
  const { id } = answer.data.issueGiftCards.task;
  const read = async () => {
    const [row] = await app.app.db.selectFrom('tasks').selectAll().where('id', '=', id).execute();
    return row?.state === 'SUCCEEDED';
  };
  await waitFor(read, { message: 'the card is issued' });
});

test("a document that is too long, and parameters that are no JSON, are the client's mistakes", async () => {
  const long = await ask(app, `{ ${'a: __typename '.repeat(5_000)} }`);
  expect([long.status, long.errors?.[0]?.extensions.code]).toEqual([400, 'QUERY_TOO_COMPLEX']);
  for (const name of ['variables', 'extensions']) {
    const response = await fetch(`${app.url}/graphql?query={__typename}&${name}=x`);
    expect([response.status, await response.json()]).toMatchObject([
      400,
      { errors: [{ extensions: { code: 'BAD_USER_INPUT' } }] },
    ]);
  }
});
