import { randomUUID } from 'node:crypto';
import { inspect } from 'node:util';
import { Redis } from 'ioredis';
import { afterEach, beforeAll, expect, it } from 'vitest';
import { encodeSnapshot } from '../../src/progress/message.ts';
import { openRedisBus } from '../../src/progress/redis-bus.ts';
import type { Snapshot } from '../../src/tasks/snapshot.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { waitFor } from '../support/wait.ts';
import { recordLog, snapshotOf } from './fixtures.ts';

let shared: RedisServer;
const opened: (() => Promise<void>)[] = [];

beforeAll(async () => {
  shared = await startRedis();
});

afterEach(async () => {
  await Promise.all(opened.splice(0).map((close) => close()));
});

it('closes a channel with its last listener', async () => {
  const { url } = shared;
  const bus = openTestBus(url);
  const redis = openClient(url);
  const projectId = randomUUID();
  const first = await bus.subscribe(projectId, () => undefined);
  const second = await bus.subscribe(projectId, () => undefined);
  await first.unsubscribe();
  expect(await redis.pubsub('CHANNELS')).toStrictEqual([`bulkcast:project:${projectId}`]);
  await second.unsubscribe();
  expect(await redis.pubsub('CHANNELS')).toStrictEqual([]);
});

it('has exactly the channels open that are listened to after a storm of joining and leaving', async () => {
  const { url } = shared;
  const bus = openTestBus(url);
  const redis = openClient(url);
  const projects = Array.from({ length: 20 }, () => randomUUID());
  const storm = projects.flatMap((projectId) =>
    Array.from({ length: 50 }, async (_, index) => {
      for (let turn = 0; turn < index % 4; turn += 1) await Promise.resolve();
      const subscription = await bus.subscribe(projectId, () => undefined);
      await subscription.unsubscribe();
    }),
  );
  const kept = projects.slice(0, 5);
  const stayed = Promise.all(kept.map((projectId) => bus.subscribe(projectId, () => undefined)));
  await Promise.all([...storm, stayed]);
  const open = (await redis.pubsub('CHANNELS')) as string[];
  expect(open.sort()).toStrictEqual(kept.map((projectId) => `bulkcast:project:${projectId}`).sort());
  for (const subscription of await stayed) await subscription.unsubscribe();
  expect(await redis.pubsub('CHANNELS')).toStrictEqual([]);
});

it('starts while Redis is away, and subscribes and tells as soon as it is there', async () => {
  const { port, stop } = await startRedis();
  await stop();
  const bus = openTestBus(`redis://127.0.0.1:${port}`);
  const snapshot = snapshotOf();
  const received: Snapshot[] = [];
  await bus.subscribe(snapshot.projectId, (given) => received.push(given));
  expect(bus.isUp()).toBe(false);
  bus.publish(snapshot);
  await waitFor(() => bus.failures === 1, { message: 'the failure is counted' });
  await startRedis({ port });
  await waitFor(() => bus.interruptions > 0 && bus.isUp(), { message: 'the bus is back', timeoutMs: 3_000 });
  bus.publish(snapshot);
  await waitFor(() => received.length === 1, { message: 'the snapshot arrives' });
});

it('gets over the stop and the start of Redis, and says so once', async () => {
  const server = await startRedis();
  const bus = openTestBus(server.url);
  const snapshot = snapshotOf();
  const received: Snapshot[] = [];
  await bus.subscribe(snapshot.projectId, (given) => received.push(given));
  for (let outage = 1; outage <= 2; outage += 1) {
    const stopping = outage === 1 ? server : await startRedis({ port: server.port });
    await waitFor(bus.isUp, { message: 'the bus is up' });
    const interruptionsBefore = bus.interruptions;
    await stopping.kill();
    await waitFor(() => !bus.isUp(), { message: 'the loss is noticed' });
    for (let count = 0; count < 500; count += 1) bus.publish(snapshot);
    await waitFor(() => bus.failures === outage * 500, { message: 'every failure is counted' });
    expect(bus.interruptions).toBe(interruptionsBefore);
    expect(bus.log.count('bus.away')).toBe(outage * 2);
  }
  await startRedis({ port: server.port });
  await waitFor(() => bus.isUp() && bus.interruptions === 4, { message: 'each connection is back', timeoutMs: 3_000 });
  expect(bus.log.count('bus.publish_failed')).toBe(0);
  expect(bus.log.lines.some(({ event, fields }) => event === 'bus.back' && fields.unpublished === 500)).toBe(true);
  bus.publish(snapshot);
  await waitFor(() => received.length === 1, { message: 'the snapshot arrives' });
});

it('notices within 4 s that Redis has fallen silent, and comes back with it', async () => {
  const server = await startRedis();
  const bus = openTestBus(server.url);
  await waitFor(bus.isUp, { message: 'the bus is up' });
  const snapshot = snapshotOf();
  const received: Snapshot[] = [];
  await bus.subscribe(snapshot.projectId, (given) => received.push(given));
  server.pause();
  const pausedMs = performance.now();
  const joining = bus.subscribe(randomUUID(), () => undefined);
  await waitFor(() => !bus.isUp(), { message: 'the silence is noticed', timeoutMs: 4_000 });
  await joining;
  expect(performance.now() - pausedMs).toBeLessThan(4_000);
  server.resume();
  await waitFor(() => bus.isUp() && bus.interruptions > 0, { message: 'the bus is back', timeoutMs: 3_000 });
  bus.publish(snapshot);
  await waitFor(() => received.length > 0, { message: 'the snapshot arrives' });
});

it('neither waits nor piles up while a silent Redis takes nothing', async () => {
  const server = await startRedis();
  const bus = openTestBus(server.url);
  await waitFor(bus.isUp, { message: 'the bus is up' });
  server.pause();
  const startedMs = performance.now();
  const snapshot = snapshotOf();
  for (let count = 0; count < 12_000; count += 1) bus.publish(snapshot);
  expect(performance.now() - startedMs).toBeLessThan(1_500);
  await waitFor(() => bus.failures >= 2_000, { message: 'what is too much fails at once', timeoutMs: 1_000 });
  expect(bus.log.count('bus.publish_failed')).toBe(1);
  await waitFor(() => bus.failures === 12_000, { message: 'the rest fails with the connection' });
});

it('holds back at most 32 MiB for a silent Redis', async () => {
  const server = await startRedis();
  const bus = openTestBus(server.url);
  await waitFor(bus.isUp, { message: 'the bus is up' });
  server.pause();
  const snapshot = snapshotOf({ parameters: { text: 'x'.repeat(1_048_576) } });
  for (let count = 0; count < 50; count += 1) bus.publish(snapshot);
  await waitFor(() => bus.failures === 19, { message: 'what is too much fails at once', timeoutMs: 1_000 });
});

it('stops within 2 s although Redis is silent', async () => {
  const server = await startRedis();
  const bus = openTestBus(server.url);
  await waitFor(bus.isUp, { message: 'the bus is up' });
  server.pause();
  bus.publish(snapshotOf());
  const startedMs = performance.now();
  await bus.stop();
  expect(performance.now() - startedMs).toBeLessThan(2_000);
});

it('listens again on every channel before it tells that it was interrupted', async () => {
  const { url } = shared;
  const bus = openTestBus(url);
  const redis = openClient(url);
  const projects = Array.from({ length: 200 }, () => randomUUID());
  await Promise.all(projects.map((projectId) => bus.subscribe(projectId, () => undefined)));
  let open: unknown;
  bus.onInterrupted(async () => {
    open = await redis.pubsub('CHANNELS');
  });
  await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
  await waitFor(() => open !== undefined, { message: 'it is told' });
  expect(open).toHaveLength(projects.length);
});

it('drops what is no snapshot of the channel, and logs only the first', async () => {
  const { url } = shared;
  const bus = openTestBus(url);
  const redis = openClient(url);
  const snapshot = snapshotOf();
  const received: Snapshot[] = [];
  await bus.subscribe(snapshot.projectId, (given) => received.push(given));
  const channel = `bulkcast:project:${snapshot.projectId}`;
  await redis.publish(channel, 'garbage');
  await redis.publish(channel, encodeSnapshot(snapshotOf()));
  await redis.publish(channel, encodeSnapshot(snapshot));
  await waitFor(() => received.length > 0, { message: 'the good one arrives' });
  expect(received).toStrictEqual([snapshot]);
  expect(bus.log.count('bus.message_malformed')).toBe(1);
});

it('logs once that Redis refuses a channel, and opens it when it may', async () => {
  const { url } = shared;
  const redis = openClient(url);
  await redis.acl('SETUSER', 'bus', 'on', '>secret', '+@all', 'resetchannels');
  const bus = openTestBus(url.replace('redis://', 'redis://bus:secret@'));
  const snapshot = snapshotOf();
  const received: Snapshot[] = [];
  await bus.subscribe(snapshot.projectId, (given) => received.push(given));
  bus.publish(snapshot);
  await waitFor(() => bus.failures === 1, { message: 'the refused publish is counted' });
  await redis.acl('SETUSER', 'bus', 'allchannels');
  await waitFor(async () => (await countChannels(redis)) === 1, { message: 'the channel is open' });
  expect(bus.log.count('bus.channel_refused')).toBe(1);
  bus.publish(snapshot);
  await waitFor(() => received.length === 1, { message: 'the snapshot arrives' });
});

it('keeps the password and what it publishes out of the log', async () => {
  const { url } = shared;
  const redis = openClient(url);
  await redis.acl('SETUSER', 'other', 'on', '>secret-word', '+@all', 'resetchannels');
  const wrong = openTestBus(url.replace('redis://', 'redis://other:wrong-word@'));
  const refused = openTestBus(url.replace('redis://', 'redis://other:secret-word@'));
  await waitFor(() => wrong.log.count('bus.away') === 2, { message: 'the wrong password is noticed' });
  await waitFor(refused.isUp, { message: 'the right one is accepted' });
  await refused.subscribe(randomUUID(), () => undefined);
  refused.publish(snapshotOf({ requestId: 'secret-word' }));
  await waitFor(() => refused.log.count('bus.publish_failed') === 1, { message: 'the refusal is logged' });
  const logged = inspect([wrong.log.lines, refused.log.lines], { depth: 20, showHidden: true });
  expect(logged).toContain('WRONGPASS');
  expect(logged).toContain('NOPERM');
  expect(logged).not.toMatch(/secret-word|wrong-word/);
});

function openTestBus(url: string) {
  const log = recordLog();
  const counts = { failures: 0, interruptions: 0 };
  const failed = () => {
    counts.failures += 1;
  };
  const bus = openRedisBus({ url, log, failed });
  bus.onInterrupted(() => {
    counts.interruptions += 1;
  });
  opened.push(bus.stop);
  return Object.assign(counts, bus, { log });
}

function openClient(url: string): Redis {
  const redis = new Redis(url);
  opened.push(async () => redis.disconnect());
  return redis;
}

async function countChannels(redis: Redis): Promise<number> {
  return ((await redis.pubsub('CHANNELS')) as string[]).length;
}
