import { beforeAll, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { waitFor } from '../support/wait.ts';
import { ask, post } from './client.ts';

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
