import { once } from 'node:events';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { issueToken } from '../../src/auth/tokens.ts';
import { issueCards } from '../graphql/client.ts';
import { secret, startTestApp, type TestApp, type TestProject } from '../support/gateway.ts';

let app: TestApp;

beforeAll(async () => {
  app = await startTestApp({ role: 'gateway' });
});

const bearer = async ({ id, username }: TestProject, seconds: number) => ({
  authorization: `Bearer ${await issueToken(secret, { projectId: id, username }, seconds)}`,
});

interface Message {
  readonly type: string;
  readonly payload?: { readonly expiresAt?: string | null; readonly errors?: { extensions: { code: string } }[] };
}

/** A bare socket that has been acknowledged. */
async function open(credentials: object) {
  const socket = new WebSocket(`${app.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  onTestFinished(() => socket.terminate());
  const messages: Message[] = [];
  const waiting: ((message: Message) => void)[] = [];
  socket.on('message', (data) => {
    const message = JSON.parse(String(data)) as Message;
    const next = waiting.shift();
    if (next === undefined) messages.push(message);
    else next(message);
  });
  const closed = once(socket, 'close').then(([code]) => code as number);
  const send = (message: object) => socket.send(JSON.stringify(message));
  const read = async () => messages.shift() ?? new Promise<Message>((resolve) => waiting.push(resolve));
  await once(socket, 'open');
  send({ type: 'connection_init', payload: credentials });
  expect(await read()).toEqual({ type: 'connection_ack' });
  return { send, read, closed };
}

test('a socket is warned before its token ends and goes on with a new one; without, it is closed with 4403', async () => {
  const id = await issueCards(app, 1);
  const credentials = await bearer(app.project, 3);
  const other = await open(credentials);
  const socket = await open(credentials);
  expect(await socket.read()).toMatchObject({ type: 'ping', payload: { expiresAt: expect.stringContaining('Z') } });
  socket.send({ type: 'ping', payload: await bearer(app.project, 600) });
  const pong = await socket.read();
  expect(pong.type).toBe('pong');
  expect(Date.parse(pong.payload?.expiresAt ?? '')).toBeGreaterThan(Date.now() + 590_000);
  expect(await other.closed).toBe(4403);
  const query = `subscription { bulkTask(id: "${id}") { __typename } }`;
  socket.send({ id: '1', type: 'subscribe', payload: { query } });
  expect(await socket.read()).toMatchObject({ type: 'next', payload: { data: { bulkTask: {} } } });
});

test.each([
  ['of another project', async () => bearer(await app.createProject(), 600), 'FORBIDDEN'],
  ['that are not right', async () => ({ authorization: 'Bearer nonsense' }), 'UNAUTHENTICATED'],
] as const)('credentials %s are not taken, and the socket stays as it was', async (_what, credentials, code) => {
  const socket = await open(app.project.headers);
  socket.send({ type: 'ping', payload: await credentials() });
  expect(await socket.read()).toMatchObject({ type: 'pong', payload: { errors: [{ extensions: { code } }] } });
  socket.send({ id: '1', type: 'subscribe', payload: { query: '{ __typename }' } });
  expect(await socket.read()).toMatchObject({ type: 'next', payload: { data: { __typename: 'Query' } } });
});

test('a ping without credentials is answered with its payload', async () => {
  const socket = await open(app.project.headers);
  socket.send({ type: 'ping', payload: { seen: 7 } });
  expect(await socket.read()).toEqual({ type: 'pong', payload: { seen: 7 } });
  socket.send({ type: 'ping' });
  expect(await socket.read()).toEqual({ type: 'pong' });
});
