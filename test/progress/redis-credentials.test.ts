import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, getCACertificates, setDefaultCACertificates } from 'node:tls';
import { inspect } from 'node:util';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openRedisBus } from '../../src/progress/redis-bus.ts';
import { atEndOfFile } from '../support/at-end.ts';
import { makeCertificate } from '../support/certificate.ts';
import { findServerPort } from '../support/ports.ts';
import { startRedis } from '../support/redis.ts';
import { waitFor } from '../support/wait.ts';
import { recordLog, snapshotOf } from './fixtures.ts';

const certificate = makeCertificate('localhost');
const trusted = getCACertificates();

beforeAll(() => setDefaultCACertificates([...trusted, certificate.cert]));
afterAll(() => setDefaultCACertificates(trusted));

/** All that the operators' page says the bus needs. */
const permissions = [
  '&bulkcast:project:*',
  ...['+publish', '+subscribe', '+unsubscribe', '+spublish', '+ssubscribe', '+sunsubscribe', '+cluster|slots'],
  ...['+ping', '+client|setname'],
  ...['~bulkcast:limits:*', '+eval', '+get', '+incrby', '+pttl', '+pexpire'],
];

it.each(['rediss', 'rediss-cluster'])(
  'reaches %s: with a user of few rights, over TLS, at a host whose name is on the certificate',
  async (protocol) => {
    const port = await startManagedRedis(protocol === 'rediss-cluster');
    const log = recordLog();
    const bus = openBus(`${protocol}://bus:p%40ss%2Cword@localhost:${port}`, log);
    await waitFor(bus.isUp, { message: () => `the bus is up: ${inspect(log.lines)}` });
    const projectId = randomUUID();
    const received: number[] = [];
    const subscription = await bus.subscribe(projectId, ({ version }) => received.push(version));
    bus.publish(snapshotOf({ projectId, version: 7 }));
    await waitFor(() => received.length > 0, { message: 'the snapshot arrives' });
    expect(received).toStrictEqual([7]);
    await subscription.unsubscribe();
    const allowance = { name: 'calls', limit: 10, windowMs: 60_000 };
    // A cluster of one node needs a moment until it takes keys.
    const take = () => bus.counter?.take(projectId, [{ ...allowance, wanted: 3 }]);
    expect(await waitFor(take, { message: 'Redis counts' })).toMatchObject([{ granted: 3, remaining: 7 }]);
    expect(log.lines.filter(({ event }) => event !== 'bus.primaries')).toStrictEqual([]);
  },
);

it.each(['rediss', 'rediss-cluster'])('does not trust %s under another name', async (protocol) => {
  const port = await startManagedRedis(protocol === 'rediss-cluster');
  const log = recordLog();
  const bus = openBus(`${protocol}://bus:p%40ss%2Cword@127.0.0.1:${port}`, log);
  const isTold = () =>
    log.lines.some(({ fields }) => String(fields.error).includes("IP: 127.0.0.1 is not in the cert's list"));
  await waitFor(isTold, { message: 'the log says why' });
  expect(bus.isUp()).toBe(false);
});

function openBus(url: string, log: ReturnType<typeof recordLog>) {
  const bus = openRedisBus({ url, log, failed: () => undefined });
  atEndOfFile(bus.stop);
  return bus;
}

/** A Redis, or a cluster of one node that names itself by address, behind TLS; only the user `bus` may use it. */
async function startManagedRedis(isCluster: boolean): Promise<number> {
  let target = 0;
  const server = createServer({ key: certificate.key, cert: certificate.cert }, (client) => {
    const redis = connect(target, '127.0.0.1');
    for (const socket of [client, redis]) socket.on('error', () => undefined);
    client.pipe(redis).pipe(client);
  });
  // Who does not trust it hangs up.
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEndOfFile(async () => void server.close());
  const { port } = server.address() as AddressInfo;
  const file = join(tmpdir(), `bulkcast-nodes-${port}.conf`);
  atEndOfFile(() => rm(file, { force: true }));
  const cluster = ['--cluster-enabled', 'yes', '--cluster-config-file', file, '--cluster-announce-port', String(port)];
  const redisServer = await startRedis({
    settings: isCluster
      ? [...cluster, '--cluster-port', String(await findServerPort()), '--cluster-announce-ip', '127.0.0.1']
      : [],
  });
  target = redisServer.port;
  const redis = new Redis(redisServer.url);
  atEndOfFile(async () => redis.disconnect());
  await redis.acl('SETUSER', 'bus', 'on', '>p@ss,word', '-@all', ...permissions);
  if (isCluster) await redis.call('CLUSTER', 'ADDSLOTSRANGE', 0, 16_383);
  await redis.acl('SETUSER', 'default', 'off');
  return port;
}
