import { once } from 'node:events';
import { createClient } from 'graphql-ws';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { issueCards } from './client.ts';

const query = 'subscription ($id: ID!) { bulkTask(id: $id) { ... on TaskProgress { version } } }';

async function openSocket(app: TestApp, id: string): Promise<WebSocket> {
  const socket = new WebSocket(`${app.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  onTestFinished(() => socket.terminate());
  await once(socket, 'open');
  socket.send(JSON.stringify({ type: 'connection_init', payload: app.project.headers }));
  await once(socket, 'message');
  socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query, variables: { id } } }));
  await once(socket, 'message');
  return socket;
}

async function openEvents(app: TestApp, id: string) {
  const response = await fetch(`${app.url}/graphql`, {
    method: 'POST',
    headers: { ...app.project.headers, accept: 'text/event-stream', 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables: { id } }),
  });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (reader === undefined) throw new Error('no body');
  return {
    /** All that comes until the stream is cut. */
    rest: async () => {
      let text = '';
      try {
        for (let part = await reader.read(); !part.done; part = await reader.read()) text += part.value;
      } catch {
        return { text, isCut: true };
      }
      return { text, isCut: false };
    },
  };
}

test('a gateway that stops sends sockets away in slices with 1012 and event streams with a retry of their own', async () => {
  const app = await startTestApp({ role: 'gateway', settings: { BULKCAST_DRAIN_MS: '2000' } });
  const id = await issueCards(app, 10);
  const sockets = await Promise.all(Array.from({ length: 250 }, () => openSocket(app, id)));
  const events = (await openEvents(app, id)).rest();
  const closes = sockets.map(async (socket) => {
    const [code] = await once(socket, 'close');
    return { code: code as number, atMs: performance.now() };
  });
  const stopped = app.stop();
  const closed = await Promise.all(closes);
  await stopped;
  expect(new Set(closed.map(({ code }) => code))).toEqual(new Set([1012]));
  const times = closed.map(({ atMs }) => atMs).sort((a, b) => a - b);
  expect((times[249] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(100);
  const { text, isCut } = await events;
  expect(isCut).toBe(true);
  expect(text).toMatch(/retry: \d{1,4}\n\n$/);
  expect(text).not.toContain('complete');
});

test('a connection that is too old is told to come back; the official client does, and is told the task as it is now', async () => {
  const app = await startTestApp({ role: 'gateway', settings: { BULKCAST_CONNECTION_MAX_AGE_SECONDS: '1' } });
  const id = await issueCards(app, 10);
  const codes: number[] = [];
  const client = createClient({
    url: `${app.url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: app.project.headers,
    retryAttempts: 100,
    retryWait: async () => undefined,
    on: { closed: (event) => codes.push((event as CloseEvent).code) },
  });
  onTestFinished(() => client.dispose());
  const told: unknown[] = [];
  for await (const { data } of client.iterate({ query, variables: { id } })) {
    told.push(data);
    if (told.length === 2) break;
  }
  expect(codes[0]).toBe(1012);
  expect(told[1]).toEqual(told[0]);
});
