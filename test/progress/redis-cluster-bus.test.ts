import { randomUUID } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeAll, expect, it } from 'vitest';
import { slotOf } from '../../src/progress/cluster-slots.ts';
import { openRedisBus } from '../../src/progress/redis-bus.ts';
import type { Snapshot } from '../../src/tasks/snapshot.ts';
import { startRedis } from '../support/redis.ts';
import { type ClusterNode, type RedisCluster, startRedisCluster } from '../support/redis-cluster.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { waitFor } from '../support/wait.ts';
import { expectNoUnhandledRejection, recordLog, snapshotOf } from './fixtures.ts';

let cluster: RedisCluster;
const opened: (() => Promise<void>)[] = [];

beforeAll(async () => {
  cluster = await startRedisCluster();
});

afterEach(async () => {
  await Promise.all(opened.splice(0).map((close) => close()));
});

expectNoUnhandledRejection();

it('knows the slots as the cluster does', async () => {
  const [{ redis }] = cluster.primaries;
  for (let count = 0; count < 100; count += 1) {
    const channel = channelOf(randomUUID());
    expect(slotOf(channel)).toBe(await redis.cluster('KEYSLOT', channel));
  }
});

it('opens the channel of each project at the primary of its slot, and closes it with its last listener', async () => {
  const bus = await openTestBus();
  const projects = Array.from({ length: 30 }, () => randomUUID());
  const listen = () => Promise.all(projects.map((projectId) => bus.subscribe(projectId, () => undefined)));
  const subscriptions = [...(await listen()), ...(await listen())];
  for (const node of cluster.primaries) {
    const own = [];
    for (const projectId of projects) if ((await ownerOf(projectId)) === node) own.push(channelOf(projectId));
    expect(own).not.toHaveLength(0);
    expect((await channelsOf(node)).sort()).toStrictEqual(own.sort());
  }
  for (const subscription of subscriptions.slice(projects.length)) await subscription.unsubscribe();
  expect(await cluster.channels()).toHaveLength(projects.length);
  await Promise.all(subscriptions.map((subscription) => subscription.unsubscribe()));
  expect(await cluster.channels()).toStrictEqual([]);
});

it('finds the cluster by any one of its nodes', async () => {
  for (const { name } of [cluster.replica, cluster.primaries[2]]) {
    const bus = await openTestBus(`redis-cluster://127.0.0.1:1,${name}`);
    await expectPushed(bus, bus, randomUUID());
  }
});

it('carries classic channels when one node is named as a single Redis', async () => {
  const [first, second] = cluster.primaries;
  const worker = await openTestBus(`redis://${first.name}`);
  const gateway = await openTestBus(`redis://${second.name}`);
  await expectPushed(worker, gateway, randomUUID());
});

it('follows a slot that moves to another primary, and so does a process that only publishes', async () => {
  const [worker, gateway] = [await openTestBus(), await openTestBus()];
  const projectId = randomUUID();
  const received: Snapshot[] = [];
  const subscription = await gateway.subscribe(projectId, (snapshot) => received.push(snapshot));
  for (let turn = 1; turn <= 3; turn += 1) {
    const target = await otherThanOwner(projectId, turn);
    const { interruptions } = gateway;
    await cluster.moveSlot(slotOf(channelOf(projectId)), target);
    const isThere = async () => (await channelsOf(target)).length === 1;
    await waitFor(isThere, { message: 'it listens at the new primary', timeoutMs: 2_000 });
    await waitFor(() => gateway.interruptions > interruptions, { message: 'it is told', timeoutMs: 2_000 });
    worker.publish(snapshotOf({ projectId, version: turn }));
    await waitFor(() => received.length === turn, { message: 'the snapshot arrives', timeoutMs: 2_000 });
    expect(await cluster.channels()).toStrictEqual([channelOf(projectId)]);
  }
  expect(received.map(({ version }) => version)).toStrictEqual([1, 2, 3]);
  expect(worker.failures).toBe(0);
  expect(gateway.log.lines.filter(({ event }) => event === 'bus.channel_refused')).toStrictEqual([]);
  await subscription.unsubscribe();
  expect(await cluster.channels()).toStrictEqual([]);
});

it('listens again when a slot goes and returns before anybody has looked', async () => {
  const bus = await openTestBus();
  const projectId = randomUUID();
  const home = await ownerOf(projectId);
  const other = await otherThanOwner(projectId, 0);
  const subscription = await bus.subscribe(projectId, () => undefined);
  for (let round = 1; round <= 20; round += 1) {
    await cluster.moveSlot(slotOf(channelOf(projectId)), other);
    await cluster.moveSlot(slotOf(channelOf(projectId)), home);
    await waitFor(async () => (await channelsOf(home)).length === 1, { message: 'it listens', timeoutMs: 2_000 });
  }
  await subscription.unsubscribe();
  expect(await cluster.channels()).toStrictEqual([]);
});

it('has exactly the channels open that are listened to after a storm of joining and leaving while slots move', async () => {
  const [worker, gateway] = [await openTestBus(), await openTestBus()];
  const projects = Array.from({ length: 8 }, () => randomUUID());
  const isOver = new AbortController();
  // However the test ends, the storm does too.
  opened.push(async () => isOver.abort());
  const storm = projects.map(async (projectId, index) => {
    for (let turn = 0; !isOver.signal.aborted; turn += 1) {
      const subscription = await gateway.subscribe(projectId, () => undefined);
      const others = Array.from({ length: (turn + index) % 3 }, () => gateway.subscribe(projectId, () => undefined));
      worker.publish(snapshotOf({ projectId, version: turn + 1 }));
      await subscription.unsubscribe();
      for (const other of others) await (await other).unsubscribe();
      await nextTurn();
    }
  });
  for (let turn = 0; turn < 3; turn += 1) {
    for (const projectId of projects) {
      await cluster.moveSlot(slotOf(channelOf(projectId)), await otherThanOwner(projectId, turn));
    }
  }
  const kept = projects.slice(0, 4);
  const subscriptions = await Promise.all(kept.map((projectId) => gateway.subscribe(projectId, () => undefined)));
  isOver.abort();
  await Promise.all(storm);
  expect(gateway.log.lines.filter(({ event }) => event === 'bus.channel_refused')).toStrictEqual([]);
  const wanted = kept.map(channelOf).sort();
  const isSettled = async () => JSON.stringify((await cluster.channels()).sort()) === JSON.stringify(wanted);
  await waitFor(isSettled, { message: 'exactly what is listened to is open', timeoutMs: 5_000 });
  for (const projectId of kept) await expectPushed(worker, gateway, projectId);
  await Promise.all(subscriptions.map((subscription) => subscription.unsubscribe()));
  expect(await cluster.channels()).toStrictEqual([]);
});

it('is away while what it was told of is no cluster, says so once, and is up when it is one', async () => {
  const lone = await startRedis();
  const network = await startTcpProxy(lone.port);
  const bus = openBus(`redis-cluster://127.0.0.1:${network.port}`);
  const snapshot = snapshotOf();
  const received: Snapshot[] = [];
  await bus.subscribe(snapshot.projectId, (given) => received.push(given));
  bus.publish(snapshot);
  await waitFor(() => bus.failures === 1, { message: 'the failure is counted' });
  expect(bus.isUp()).toBe(false);
  network.redirect(cluster.primaries[1].server.port);
  await waitFor(() => bus.isUp() && bus.interruptions > 0, { message: 'the bus is up', timeoutMs: 3_000 });
  bus.publish(snapshot);
  await waitFor(() => received.length === 1, { message: 'the snapshot arrives', timeoutMs: 1_000 });
  expect(bus.log.count('bus.cluster_unreachable')).toBe(1);
});

async function expectPushed(worker: TestBus, gateway: TestBus, projectId: string): Promise<void> {
  const received: number[] = [];
  const subscription = await gateway.subscribe(projectId, ({ version }) => received.push(version));
  worker.publish(snapshotOf({ projectId, version: 1_000 }));
  await waitFor(() => received.length > 0, { message: 'it arrives', timeoutMs: 2_000 });
  expect(received).toStrictEqual([1_000]);
  await subscription.unsubscribe();
}

type TestBus = ReturnType<typeof openBus>;

function openBus(url: string) {
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

async function openTestBus(url = cluster.url): Promise<TestBus> {
  const bus = openBus(url);
  await waitFor(bus.isUp, { message: 'the bus is up' });
  return bus;
}

function channelOf(projectId: string): string {
  return `bulkcast:project:${projectId}`;
}

async function channelsOf({ redis }: ClusterNode): Promise<string[]> {
  return (await redis.call('PUBSUB', 'SHARDCHANNELS')) as string[];
}

function ownerOf(projectId: string): Promise<ClusterNode> {
  return cluster.ownerOf(slotOf(channelOf(projectId)));
}

async function otherThanOwner(projectId: string, turn: number): Promise<ClusterNode> {
  const owner = await ownerOf(projectId);
  const others = cluster.primaries.filter((node) => node !== owner);
  const other = others[turn % others.length];
  if (other === undefined) throw new Error('the cluster has one primary only');
  return other;
}
