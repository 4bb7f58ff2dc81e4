import { hash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { codes, issueCards, overSse, overWebSocket, post, readAll, readAnswer } from './client.ts';

const look = 'query look($id: ID!) { bulkTask(id: $id) { ... on TaskProgress { id } } }';
const follow = 'subscription follow { bulkTask(id: "none") { __typename } }';
const foreign = '{ __typename }';
const sha256 = (text: string) => hash('sha256', text, 'hex');
const json = { 'content-type': 'application/json' };

let directory: string;
let app: TestApp;
let open: TestApp;
let id: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'bulkcast-documents-'));
  const path = join(directory, 'documents.json');
  await writeFile(path, JSON.stringify(Object.fromEntries([look, follow].map((text) => [sha256(text), text]))));
  open = await startTestApp({ role: 'gateway' });
  id = await issueCards(open, 10);
  const settings = { BULKCAST_TRUSTED_DOCUMENTS: path };
  app = await startTestApp({ role: 'gateway', database: open.database, settings });
});
afterAll(() => rm(directory, { recursive: true }));

const ask = (to: TestApp, params: object) =>
  post<{ bulkTask: unknown }>(to, JSON.stringify(params), { ...json, ...open.project.headers });

describe('with trusted documents', () => {
  it.each([
    ['its text', { query: look }],
    ['its id', { documentId: sha256(look) }],
    ['its id with the algorithm', { documentId: `sha256:${sha256(look)}` }],
    ["the hash of Apollo's clients", { extensions: { persistedQuery: { version: 1, sha256Hash: sha256(look) } } }],
  ])('one that is known runs by %s', async (_name, reference) => {
    expect((await ask(app, { ...reference, variables: { id } })).data).toEqual({ bulkTask: { id } });
  });

  it('one runs by its id over GET, WebSocket and server-sent events', async () => {
    const parameters = new URLSearchParams({ documentId: sha256(look), variables: JSON.stringify({ id }) });
    const answer = await fetch(`${app.url}/graphql?${parameters}`, { headers: open.project.headers });
    expect((await readAnswer(answer)).data).toEqual({ bulkTask: { id } });
    const socket = overWebSocket(app, open.project.headers);
    onTestFinished(() => socket.dispose());
    const extensions = { persistedQuery: { version: 1, sha256Hash: sha256(look) } };
    const [pushed] = await Array.fromAsync(socket.client.iterate({ query: '', extensions, variables: { id } }));
    expect(pushed?.data).toEqual({ bulkTask: { id } });
    const stream = await fetch(`${app.url}/graphql`, {
      method: 'POST',
      headers: { ...json, ...open.project.headers, accept: 'text/event-stream' },
      body: JSON.stringify({ documentId: sha256(follow) }),
    });
    expect(await stream.text()).toContain('"code":"NOT_FOUND"');
  });

  it.each([
    ['another text', { query: foreign }],
    ['an unknown id', { documentId: sha256(foreign) }],
    ['an unknown hash', { extensions: { persistedQuery: { version: 1, sha256Hash: sha256(foreign) } } }],
  ])('%s is DOCUMENT_NOT_TRUSTED', async (_name, reference) => {
    expect(codes(await ask(app, reference))).toEqual(['DOCUMENT_NOT_TRUSTED']);
  });

  it('another text is DOCUMENT_NOT_TRUSTED over WebSocket and server-sent events too', async () => {
    const socket = overWebSocket(app, open.project.headers);
    onTestFinished(() => socket.dispose());
    const refused = [{ extensions: { code: 'DOCUMENT_NOT_TRUSTED' } }];
    await expect(readAll(socket.subscribe(foreign))).rejects.toMatchObject(refused);
    const sse = overSse(app, open.project.headers);
    onTestFinished(() => sse.dispose());
    expect((await sse.subscribe('subscription { bulkTasks { __typename } }').next()).value).toMatchObject({
      errors: refused,
    });
  });
});

describe('without them', () => {
  it("a hash alone is told as Apollo's clients expect, and they send the text", async () => {
    const extensions = { persistedQuery: { version: 1, sha256Hash: sha256(look) } };
    expect(codes(await ask(open, { extensions }))).toEqual(['PERSISTED_QUERY_NOT_SUPPORTED']);
    expect((await ask(open, { extensions, query: look, variables: { id } })).data).toEqual({ bulkTask: { id } });
  });
});

describe('a file of trusted documents', () => {
  it.each([
    ['that is no JSON', 'nonsense', 'cannot read JSON'],
    ['of another shape', '["{ __typename }"]', 'expected a JSON object'],
    ['with a wrong hash', JSON.stringify({ [sha256('x')]: foreign }), 'has another SHA-256'],
  ])('%s keeps the gateway from starting', async (_name, text, problem) => {
    const path = join(directory, 'wrong.json');
    await writeFile(path, text);
    const settings = { BULKCAST_TRUSTED_DOCUMENTS: path };
    await expect(startTestApp({ role: 'gateway', database: open.database, settings })).rejects.toThrow(problem);
  });
});
