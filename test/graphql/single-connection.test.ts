import { createClient } from 'graphql-sse';
import { beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { waitFor } from '../support/wait.ts';
import { codes, issueCards, type Pushed, readAll, readAnswer } from './client.ts';

const watch = 'subscription ($id: ID!) { bulkTask(id: $id) { ... on TaskProgress { id state version } } }';
const json = { 'content-type': 'application/json' };

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp({ role: 'gateway' });
});

function connect(headers: Record<string, string> = app.project.headers) {
  const client = createClient({
    url: `${app.url}/graphql`,
    singleConnection: true,
    headers: { ...headers },
    retryAttempts: 0,
  });
  onTestFinished(() => client.dispose());
  return client;
}

const reserve = async (headers: Record<string, string> = app.project.headers) => {
  const response = await fetch(`${app.url}/graphql`, { method: 'PUT', headers });
  return { status: response.status, token: await response.text() };
};

const openStream = async (token: string, headers: Record<string, string> = {}) => {
  const control = new AbortController();
  onTestFinished(() => control.abort());
  return fetch(`${app.url}/graphql?token=${token}`, {
    headers: { accept: 'text/event-stream', ...headers },
    signal: control.signal,
  });
};

const start = async (token: string, body: object, headers: Record<string, string> = app.project.headers) =>
  fetch(`${app.url}/graphql`, {
    method: 'POST',
    headers: { ...json, ...headers, 'x-graphql-event-stream-token': token },
    body: JSON.stringify(body),
  });

const subscribers = async () => {
  const { values } = await app.app.metrics.subscribers.get();
  return values.reduce((sum, { value }) => sum + value, 0);
};

describe('the official client on a single connection', () => {
  it('watches ten tasks to their ends, and runs queries beside', { timeout: 60_000 }, async () => {
    const client = connect();
    const ids = await Promise.all(Array.from({ length: 10 }, () => issueCards(app, 50)));
    const watching = ids.map((id) =>
      readAll<{ bulkTask: { id: string; state: string; version: number } }>(
        client.iterate({ query: watch, variables: { id } }) as AsyncIterable<Pushed>,
      ),
    );
    const [answer] = await Array.fromAsync(client.iterate({ query: '{ __typename }' }));
    expect(answer).toEqual({ data: { __typename: 'Query' } });
    await waitFor(async () => (await subscribers()) === 10, { message: 'ten are watched' });
    await startTestApp({ database: app.database, settings: { REDIS_URL: inject('redisUrl') } });
    for (const [index, all] of (await Promise.all(watching)).entries()) {
      const versions = all.map(({ bulkTask }) => bulkTask.version);
      expect(all.map(({ bulkTask }) => bulkTask.id)).toEqual(all.map(() => ids[index]));
      expect([...new Set(versions)].sort((a, b) => a - b)).toEqual(versions);
      expect(all.at(-1)?.bulkTask.state).toBe('SUCCEEDED');
    }
    expect(await subscribers()).toBe(0);
  });

  it('ends one operation and leaves the others', async () => {
    const client = connect();
    const request = { query: 'subscription { bulkTasks { ... on TaskProgress { id } } }' };
    const stays = client.iterate(request);
    const leaves = client.iterate(request);
    const seeing = [stays.next(), leaves.next()];
    await waitFor(async () => (await subscribers()) === 2, { message: 'both are there' });
    await issueCards(app, 5);
    await Promise.all(seeing);
    await leaves.return?.();
    await waitFor(async () => (await subscribers()) === 1, { message: 'one has left' });
    const id = await issueCards(app, 5);
    const isSeen = async () => (await stays.next()).value?.data?.bulkTasks?.id === id;
    await waitFor(isSeen, { message: 'the other one goes on' });
    client.dispose();
    await waitFor(async () => (await subscribers()) === 0, { message: 'all have left' });
  });
});

describe('a reservation', () => {
  it('is made by a caller only', async () => {
    expect((await reserve({})).status).toBe(401);
    expect(await reserve()).toEqual({ status: 201, token: expect.stringMatching(/^[0-9a-f-]{36}$/) });
  });

  it('has one stream, which an EventSource opens with the token alone', async () => {
    const { token } = await reserve();
    const stream = await openStream(token);
    expect([stream.status, stream.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
    const second = await readAnswer(await openStream(token));
    expect([second.status, codes(second)]).toEqual([409, ['DUPLICATE_FOUND']]);
    const unknown = await readAnswer(await openStream('none'));
    expect([unknown.status, codes(unknown)]).toEqual([404, ['NOT_FOUND']]);
  });

  it('is no use to another caller, nor without credentials', async () => {
    const { token } = await reserve();
    const stranger = await app.createProject();
    const body = { query: '{ __typename }', extensions: { operationId: '1' } };
    expect((await openStream(token, stranger.headers)).status).toBe(404);
    expect((await start(token, body, stranger.headers)).status).toBe(404);
    expect((await start(token, body, {})).status).toBe(401);
    const stop = `${app.url}/graphql?operationId=1&token=${token}`;
    expect((await fetch(stop, { method: 'DELETE', headers: stranger.headers })).status).toBe(404);
    expect((await fetch(stop, { method: 'DELETE', headers: app.project.headers })).status).toBe(200);
  });

  it('takes an operation before its stream is there, and tells refusals in its answer', async () => {
    const { token } = await reserve();
    const wrong = await readAnswer(await start(token, { query: '{ nonsense }', extensions: { operationId: '1' } }));
    expect([wrong.status, codes(wrong)]).toEqual([400, ['GRAPHQL_VALIDATION_FAILED']]);
    const nameless = await readAnswer(await start(token, { query: '{ __typename }' }));
    expect([nameless.status, codes(nameless)]).toEqual([400, ['BAD_USER_INPUT']]);
    const follow = { query: 'subscription { bulkTasks { __typename } }', extensions: { operationId: 'a"b' } };
    expect((await start(token, follow)).status).toBe(202);
    expect((await start(token, follow)).status).toBe(409);
    const query = { query: '{ bulkTask(id: "x") { __typename } }', extensions: { operationId: '2' } };
    expect((await start(token, query)).status).toBe(202);
    const failing = { query: 'subscription { bulkTask(id: "x") { __typename } }', extensions: { operationId: '3' } };
    expect((await start(token, failing)).status).toBe(202);
    const { body } = await openStream(token);
    let read = '';
    for await (const chunk of body?.pipeThrough(new TextDecoderStream()) ?? []) {
      read += chunk;
      if (read.includes('"id":"2"}') && read.includes('"id":"3"}')) break;
    }
    expect(read).toContain('event: next\ndata: {"id":"2","payload":{"data":{"bulkTask":null}}}\n\n');
    expect(read).toContain('event: complete\ndata: {"id":"2"}\n\n');
    expect(read).toMatch(/"id":"3","payload":\{"errors":\[\{[^\n]*"code":"NOT_FOUND"[^\n]*\n\nevent: complete/);
  });

  it('is one of fifty of a caller at most', async () => {
    const project = await app.createProject();
    const made = await Promise.all(Array.from({ length: 51 }, () => reserve(project.headers)));
    expect(made.filter(({ status }) => status === 201)).toHaveLength(50);
    expect(made.find(({ status }) => status === 429)?.token).toContain('TOO_MANY_OPERATIONS');
    expect((await reserve()).status).toBe(201);
  });

  it('ends with the token of who made it, each operation with UNAUTHENTICATED', async () => {
    const headers = { authorization: await app.project.bearer(2) };
    const { token } = await reserve(headers);
    const body = { query: 'subscription { bulkTasks { __typename } }', extensions: { operationId: '1' } };
    expect((await start(token, body, headers)).status).toBe(202);
    const text = await (await openStream(token)).text();
    expect(text).toMatch(/event: next\ndata: \{"id":"1","payload":\{"errors":\[\{[^\n]*"code":"UNAUTHENTICATED"/);
    expect(text).toContain('event: complete\ndata: {"id":"1"}');
    expect((await openStream(token)).status).toBe(404);
  });
});
