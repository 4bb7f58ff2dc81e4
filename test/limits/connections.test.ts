import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { sendRaw } from '../rest/client.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { waitFor } from '../support/wait.ts';

const open: Socket[] = [];

afterEach(() => {
  for (const socket of open.splice(0)) socket.destroy();
});

function connectTo({ url }: TestApp): Socket {
  const socket = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => undefined);
  open.push(socket);
  return socket;
}

/** What comes until the server closes, and after how many ms it does. */
async function readToEnd(socket: Socket): Promise<{ text: string; ms: number }> {
  const startedAt = performance.now();
  let text = '';
  socket.on('data', (bytes) => {
    text += bytes;
  });
  // Not `once`, which an error ends: what is still being sent is answered with a reset.
  await new Promise((resolve) => socket.once('close', resolve));
  return { text, ms: performance.now() - startedAt };
}

async function isServed(socket: Socket): Promise<boolean> {
  socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
  const closed = once(socket, 'close').then(() => false);
  return Promise.race([closed, once(socket, 'data').then(([bytes]) => String(bytes).startsWith('HTTP/1.1 200'))]);
}

async function refused(app: TestApp, bound: string): Promise<number | undefined> {
  const { values } = await app.app.metrics.connectionsRefused.get();
  return values.find(({ labels }) => labels.bound === bound)?.value;
}

describe('a client that takes its time', () => {
  it('over the head of its request is answered 408, or just closed when it has sent nothing', async () => {
    const app = await startTestApp({ role: 'gateway', settings: { BULKCAST_HEAD_MS: '1000' } });
    const silent = connectTo(app);
    const slow = connectTo(app);
    slow.write('GET /healthz HTTP/1.1\r\nHost: x\r\n');
    const drip = setInterval(() => slow.write('x: y\r\n'), 50);
    const [nothing, some] = await Promise.all([readToEnd(silent), readToEnd(slow)]).finally(() => clearInterval(drip));
    expect(some.text).toMatch(/^HTTP\/1\.1 408 .*application\/problem\+json/s);
    expect(nothing.ms).toBeLessThan(8_000);
    expect(some.ms).toBeLessThan(8_000);
    expect(await isServed(connectTo(app))).toBe(true);
  });

  it('over its body, a byte now and then, is answered 408', async () => {
    const app = await startTestApp({ role: 'gateway', settings: { BULKCAST_UPLOAD_STALL_MS: '300' } });
    const { 'x-app-id': id, 'x-app-token': token } = app.project.headers;
    const socket = connectTo(app);
    const credentials = `X-App-Id: ${id}\r\nX-App-Token: ${token}\r\nContent-Type: application/json\r\n`;
    socket.write(`POST /graphql HTTP/1.1\r\nHost: x\r\n${credentials}Content-Length: 10000\r\n\r\n{`);
    const drip = setInterval(() => socket.write(' '), 50);
    const answered = once(socket, 'data', { signal: AbortSignal.timeout(5_000) });
    const [bytes] = await answered.finally(() => clearInterval(drip));
    expect(String(bytes)).toMatch(/^HTTP\/1\.1 408 .*REQUEST_TIMEOUT/s);
  });
});

describe('a client that sends too much', () => {
  it('as a head is answered 431', async () => {
    const app = await startTestApp({ role: 'gateway' });
    const head = `GET /healthz HTTP/1.1\r\nHost: x\r\n${Array.from({ length: 1_500 }, (_, at) => `x-${at}: yyyyyyyyyyyy\r\n`).join('')}\r\n`;
    expect(await sendRaw(app.url, head)).toMatch(/^HTTP\/1\.1 431 .*application\/problem\+json/s);
  });
});

describe('too many connections', () => {
  it('are closed, WebSockets counted, until others have gone', async () => {
    const app = await startTestApp({ role: 'gateway', settings: { BULKCAST_MAX_CONNECTIONS: '3' } });
    const webSocket = new WebSocket(app.wsUrl, 'graphql-transport-ws');
    await once(webSocket, 'open');
    const [one, two] = [connectTo(app), connectTo(app)];
    expect([await isServed(one), await isServed(two)]).toEqual([true, true]);
    expect(await isServed(connectTo(app))).toBe(false);
    expect(await refused(app, 'all')).toBe(1);
    webSocket.terminate();
    await waitFor(() => isServed(connectTo(app)), { message: 'the place of the WebSocket is free' });
  });

  it('of one address are closed, and count no more when they have gone', async () => {
    const app = await startTestApp({ role: 'gateway', settings: { BULKCAST_MAX_ADDRESS_CONNECTIONS: '2' } });
    const [one, two] = [connectTo(app), connectTo(app)];
    expect([await isServed(one), await isServed(two), await isServed(connectTo(app))]).toEqual([true, true, false]);
    expect(await refused(app, 'address')).toBe(1);
    one.destroy();
    await waitFor(() => isServed(connectTo(app)), { message: 'a place is free' });
  });

  it('of a trusted proxy are not counted by address', async () => {
    const settings = { BULKCAST_MAX_ADDRESS_CONNECTIONS: '1', BULKCAST_TRUSTED_PROXIES: '127.0.0.0/8' };
    const app = await startTestApp({ role: 'gateway', settings });
    expect([await isServed(connectTo(app)), await isServed(connectTo(app))]).toEqual([true, true]);
  });
});
