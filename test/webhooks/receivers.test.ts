import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, inject, test } from 'vitest';
import { readNetworks } from '../../src/address.ts';
import { AddressRefused, resolveAllowed } from '../../src/webhooks/addresses.ts';
import { send } from '../../src/webhooks/sender.ts';
import { issueCards } from '../graphql/client.ts';
import { atEndOfFile } from '../support/at-end.ts';
import { makeCertificate } from '../support/certificate.ts';
import { startTestApp } from '../support/gateway.ts';
import { startServe } from '../support/processes.ts';
import { startReceiver, verify } from '../support/receiver.ts';
import { change, createEndpoint, deliveryOf, finalEvents, readEndpoint } from './client.ts';

const app = await startTestApp();

const loopback = readNetworks(['127.0.0.0/8']);
const message = (url: string) => ({ url, headers: { 'content-type': 'application/json' }, body: '{}' });

test.each([
  ['not a URL', 'INVALID'],
  ['ftp://shop.example', 'INVALID'],
  ['http://shop.example', 'INVALID'],
  ['https://user:password@shop.example', 'INVALID'],
  ['https://127.0.0.1/', 'ADDRESS_REFUSED'],
  ['https://0x7f.1/', 'ADDRESS_REFUSED'],
  ['https://2130706433/', 'ADDRESS_REFUSED'],
  ['https://[::ffff:127.0.0.1]/', 'ADDRESS_REFUSED'],
  ['https://169.254.169.254/latest/meta-data', 'ADDRESS_REFUSED'],
])('an endpoint at %s is refused', async (url, code) => {
  const { data } = await change(app, 'createWebhookEndpoint', { url, events: finalEvents });
  expect(data.done).toMatchObject({ endpoint: null, secret: null, userErrors: [{ field: ['input', 'url'], code }] });
});

test.each([
  '0.0.0.0',
  '10.1.2.3',
  '100.64.0.1',
  '100.100.100.200',
  '127.255.255.254',
  '168.63.129.16',
  '169.254.169.254',
  '172.31.255.255',
  '192.0.0.192',
  '192.168.0.1',
  '198.19.0.1',
  '224.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::127.0.0.1',
  '::ffff:10.0.0.1',
  '::ffff:8.8.8.8',
  '64:ff9b::a00:1',
  '2001:0:4136:e378::1',
  '2001:db8::1',
  '2002:7f00:1::1',
  'fd00:ec2::254',
  'fe80::1',
  'fec0::1',
  'ff02::1',
  'localhost',
])('%s is no place for a webhook', async (host) => {
  await expect(resolveAllowed(host, readNetworks([]))).rejects.toThrow(AddressRefused);
});

test('public addresses are places for webhooks, and networks that are allowed', async () => {
  for (const host of ['8.8.8.8', '172.32.0.1', '100.128.0.1', '2606:4700::1111']) {
    expect(await resolveAllowed(host, readNetworks([]))).toMatchObject([{ address: host, isInternal: false }]);
  }
  expect(await resolveAllowed('127.0.0.1', loopback)).toMatchObject([{ isInternal: true }]);
  await expect(resolveAllowed('10.0.0.1', loopback)).rejects.toThrow(AddressRefused);
});

test('a name that means loopback is never connected to', async () => {
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEndOfFile(async () => {
    server.close();
  });
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const { id } = await createEndpoint(app, `https://localhost:${port}/`);
  await issueCards(app, 1);
  const delivery = await deliveryOf(app, id, ({ attempts }) => attempts.length === 1);
  expect(delivery.attempts).toMatchObject([{ status: null, answer: null, error: 'ADDRESS_REFUSED' }]);
  expect(connections).toBe(0);
});

test('a redirect is a failure, and not followed', async () => {
  const target = await startReceiver();
  const receiver = await startReceiver();
  receiver.answer((response) => response.writeHead(307, { location: target.url }).end());
  const outcome = await send(message(receiver.url), { networks: loopback, timeoutMs: 5_000 });
  expect(outcome).toMatchObject({ status: 307, error: 'REDIRECT' });
  expect(target.received).toEqual([]);
});

test('a receiver that does not answer in time is given up', async () => {
  const receiver = await startReceiver();
  receiver.answer(() => undefined);
  const outcome = await send(message(receiver.url), { networks: loopback, timeoutMs: 300 });
  expect(outcome).toMatchObject({ status: null, error: 'TIMEOUT' });
  expect(outcome.durationMs).toBeLessThan(2_000);
});

test('a receiver that switches protocols has not taken the message', async () => {
  const receiver = await startReceiver();
  receiver.answer((response) => {
    response.socket?.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n');
  });
  const outcome = await send(message(receiver.url), { networks: loopback, timeoutMs: 5_000 });
  expect(outcome).toMatchObject({ status: null, error: 'STATUS' });
  expect(outcome.durationMs).toBeLessThan(4_000);
});

test('an answer without end counts by its status, and little of it is read', async () => {
  const receiver = await startReceiver();
  let written = 0;
  receiver.answer((response) => {
    const pour = () => {
      while (!response.destroyed && response.write('y'.repeat(16_384))) written += 16_384;
    };
    response.on('drain', pour).writeHead(200);
    pour();
  });
  const outcome = await send(message(receiver.url), { networks: loopback, timeoutMs: 5_000 });
  expect(outcome).toMatchObject({ status: 200, error: null, answer: 'y'.repeat(1_000) });
  expect(outcome.durationMs).toBeLessThan(4_000);
  expect(written).toBeLessThan(64 * 1_048_576);
  receiver.answer((response) => response.writeHead(200).write('a beginning'));
  const slow = await send(message(receiver.url), { networks: loopback, timeoutMs: 300 });
  expect(slow).toMatchObject({ status: 200, error: null, answer: 'a beginning' });
});

test('a port where nobody listens, a name that nobody has and a certificate of nobody are told apart', async () => {
  const gone = await startReceiver();
  const sent = (url: string) => send(message(url), { networks: loopback, timeoutMs: 10_000 });
  expect(await sent('http://127.0.0.1:1/')).toMatchObject({ error: 'UNREACHABLE' });
  expect(await sent('https://nobody.invalid/')).toMatchObject({ error: 'NAME_UNKNOWN' });
  const tls = await startReceiver(makeCertificate('localhost'));
  expect(await sent(`https://127.0.0.1:${tls.port}/`)).toMatchObject({ error: 'TLS' });
  expect(await sent(gone.url)).toMatchObject({ status: 204, error: null });
});

test('plain HTTP is for networks that are allowed, whatever the name', async () => {
  expect(await send(message('http://8.8.8.8/'), { networks: loopback, timeoutMs: 5_000 })).toMatchObject({
    error: 'ADDRESS_REFUSED',
  });
});

test('a worker of its own sends over TLS; killed or stopped at any moment, every final state arrives', {
  timeout: 180_000,
}, async () => {
  const certificate = makeCertificate('localhost');
  const directory = await mkdtemp(join(tmpdir(), 'bulkcast-webhooks-'));
  atEndOfFile(() => rm(directory, { recursive: true }));
  const trusted = join(directory, 'trusted.pem');
  await writeFile(trusted, certificate.cert);
  const gateway = await startTestApp({
    role: 'gateway',
    settings: { BULKCAST_WEBHOOK_NETWORKS: '127.0.0.0/8, ::1/128' },
  });
  const receiver = await startReceiver(certificate);
  const { id, secret } = await createEndpoint(gateway, receiver.url);
  const startWorker = () =>
    startServe({
      DATABASE_URL: gateway.database.url,
      REDIS_URL: inject('redisUrl'),
      BULKCAST_ROLE: 'worker',
      BULKCAST_SECRET: 'a secret of the tests, long enough for HMAC',
      BULKCAST_WEBHOOK_NETWORKS: '127.0.0.0/8, ::1/128',
      NODE_EXTRA_CA_CERTS: trusted,
    });
  const tasks = new Set<string>();
  for (let kill = 1; kill <= 4; kill += 1) {
    for (let count = 0; count < 8; count += 1) tasks.add(await issueCards(gateway, 1 + count * 400));
    const before = receiver.received.length;
    // Nobody has answered: whether the attempt is written is open when it is killed.
    const reached = Promise.withResolvers<void>();
    receiver.answer((response) => {
      reached.resolve();
      if (kill % 2 === 0) response.writeHead(200).end();
    });
    const worker = await startWorker();
    await reached.promise;
    await worker.kill();
    expect(receiver.received.length).toBeGreaterThan(before);
  }
  receiver.answer(() => undefined);
  const stopped = await startWorker();
  const before = receiver.received.length;
  tasks.add(await issueCards(gateway, 1));
  await receiver.waitFor(before + 1);
  expect(await stopped.stop()).toBe(0);
  receiver.answer((response) => response.writeHead(200).end());
  const survivor = await startWorker();
  const arrived = () => new Set(receiver.received.map(({ body }) => String(body.data.id)));
  await expect.poll(() => arrived().size, { timeout: 60_000 }).toBe(tasks.size);
  expect(arrived()).toEqual(tasks);
  for (const one of receiver.received) verify(secret, one);
  const isThrough = async () =>
    (await readEndpoint(gateway, id))?.deliveries.nodes.every(({ state }) => state === 'SUCCEEDED');
  await expect.poll(isThrough, { timeout: 30_000 }).toBe(true);
  // A message that came twice has one id.
  expect(new Set(receiver.received.map((one) => one.id)).size).toBe(tasks.size);
  expect(await survivor.stop()).toBe(0);
});
