import { randomUUID } from 'node:crypto';
import { afterEach, beforeAll, expect, it } from 'vitest';
import type { Bus } from '../../src/progress/bus.ts';
import { slotOf } from '../../src/progress/cluster-slots.ts';
import { openRedisBus } from '../../src/progress/redis-bus.ts';
import type { Snapshot } from '../../src/tasks/snapshot.ts';
import { type ClusterNode, type RedisCluster, startRedisCluster } from '../support/redis-cluster.ts';
import { waitFor } from '../support/wait.ts';
import {
  expectNoUnhandledRejection,
  type Follower,
  openTasks,
  openTestStreams,
  type RecordedLog,
  recordLog,
  snapshotOf,
  type TestTasks,
} from './fixtures.ts';

let tasks: TestTasks;
const opened: (() => Promise<void>)[] = [];

expectNoUnhandledRejection();

beforeAll(async () => {
  tasks = await openTasks();
});

afterEach(async () => {
  await Promise.all(opened.splice(0).map((close) => close()));
});

/** A worker and a gateway over a cluster of their own, and a project for each primary. */
interface Place {
  readonly cluster: RedisCluster;
  readonly worker: Bus;
  readonly gateway: Bus;
  readonly logs: readonly RecordedLog[];
  readonly projects: readonly [string, string, string];
}

async function openPlace(): Promise<Place> {
  const cluster = await startRedisCluster();
  opened.push(cluster.stop);
  const logs: RecordedLog[] = [];
  const open = () => {
    const log = recordLog();
    logs.push(log);
    const bus = openRedisBus({ url: cluster.url, log, failed: () => undefined });
    opened.push(bus.stop);
    return bus;
  };
  const [first, second, third] = cluster.primaries;
  const projects = [await projectAt(cluster, first), await projectAt(cluster, second), await projectAt(cluster, third)];
  const place = { cluster, worker: open(), gateway: open(), logs, projects: projects as [string, string, string] };
  await waitUntilUp(place);
  return place;
}

function waitUntilUp({ worker, gateway }: Place): Promise<boolean> {
  return waitFor(() => worker.isUp() && gateway.isUp(), { message: 'both are connected', timeoutMs: 5_000 });
}

it.each(['dies', 'falls silent'] as const)(
  'loses no end when a primary %s, and uses the replica that takes its place within 5 s',
  { timeout: 60_000 },
  async (way) => {
    const place = await openPlace();
    const { cluster, projects } = place;
    const [primary] = cluster.primaries;
    const followed = await followTasks(place);
    if (way === 'dies') await primary.server.kill();
    else primary.server.pause();
    await expectPushed(place, projects[1]);
    await finishAll(place, followed);
    const isReplaced = async () => (await cluster.ownerOf(slotAt(projects[0]), cluster.replica)) === cluster.replica;
    await waitFor(isReplaced, { message: 'the replica is promoted' });
    const uses = (log: RecordedLog) => log.lines.findLast(({ event }) => event === 'bus.primaries')?.fields.nodes;
    const areTold = () => place.logs.every((log) => JSON.stringify(uses(log)).includes(cluster.replica.name));
    await waitFor(areTold, { message: 'both know it', timeoutMs: 5_000 });
    await waitUntilUp(place);
    for (const projectId of projects) await expectPushed(place, projectId);

    if (way === 'dies') await primary.restart();
    else primary.server.resume();
    await waitFor(() => follows(primary), { message: 'it follows the one that replaced it' });
    for (const projectId of projects) await expectPushed(place, projectId);
    await waitFor(async () => (await cluster.channels()).length === 0, { message: 'no channel is left' });
  },
);

it('follows a primary that hands over to its replica and takes back', { timeout: 60_000 }, async () => {
  const place = await openPlace();
  const { cluster, gateway, projects } = place;
  const [primary] = cluster.primaries;
  const subscription = await gateway.subscribe(projects[0], () => undefined);
  for (const [from, to] of [
    [primary, cluster.replica],
    [cluster.replica, primary],
  ] as const) {
    await waitFor(() => follows(to), { message: 'the replica has everything' });
    // Without the vote of the others, who give one only now and then.
    await to.redis.call('CLUSTER', 'FAILOVER', 'TAKEOVER');
    const isMoved = async () => (await channelsAt(to)).length === 1 && (await channelsAt(from)).length === 0;
    await waitFor(isMoved, { message: 'the channel has moved' });
    await waitUntilUp(place);
    await expectPushed(place, projects[0]);
  }
  await subscription.unsubscribe();
  expect(await cluster.channels()).toStrictEqual([]);
});

it('catches up within 5 s after the whole cluster was gone', { timeout: 60_000 }, async () => {
  const place = await openPlace();
  const { cluster, worker, gateway, projects } = place;
  const nodes = [...cluster.primaries, cluster.replica];
  const followed = await followTasks(place);
  await Promise.all(nodes.map(({ server }) => server.kill()));
  await waitFor(() => !worker.isUp() && !gateway.isUp(), { message: 'the loss is noticed' });
  await finishAll(place, followed);
  await Promise.all(nodes.map((node) => node.restart()));
  const isWhole = async () => String(await nodes[0]?.redis.call('CLUSTER', 'INFO')).includes('cluster_state:ok');
  await waitFor(isWhole, { message: 'the cluster is whole' });
  await waitUntilUp(place);
  for (const projectId of projects) await expectPushed(place, projectId);
  await waitFor(async () => (await cluster.channels()).length === 0, { message: 'no channel is left' });
});

interface Followed {
  readonly task: Snapshot;
  readonly follower: Follower;
}

async function followTasks({ gateway }: Place): Promise<Followed[]> {
  const streams = openTestStreams(tasks.db, gateway);
  const follow = async () => {
    const task = await tasks.createTask(await tasks.createProject());
    return { task, follower: streams.followTask(task) };
  };
  const followed = await Promise.all(Array.from({ length: 12 }, follow));
  const areThere = () => followed.every(({ follower }) => follower.received.length === 1);
  await waitFor(areThere, { message: 'all are followed' });
  return followed;
}

/** Ends every task, publishes the ends, and waits 5 s for all who watch. */
async function finishAll({ worker }: Place, followed: readonly Followed[]): Promise<void> {
  const ends: Snapshot[] = [];
  for (const { task } of followed) ends.push(await tasks.finish(task));
  for (const end of ends) worker.publish(end);
  const isOver = () => followed.every(({ follower }) => follower.isOver);
  await waitFor(isOver, { message: 'everybody has the end', timeoutMs: 5_000 });
  expect(followed.map(({ follower }) => follower.received.at(-1))).toStrictEqual(ends);
}

/** What is published now arrives by the bus, once. */
async function expectPushed({ worker, gateway }: Place, projectId: string): Promise<void> {
  const received: number[] = [];
  const subscription = await gateway.subscribe(projectId, ({ version }) => received.push(version));
  for (const version of [1_000, 1_001]) worker.publish(snapshotOf({ projectId, version }));
  await waitFor(() => received.length >= 2, { message: 'it arrives', timeoutMs: 1_000 });
  expect(received).toStrictEqual([1_000, 1_001]);
  await subscription.unsubscribe();
}

function slotAt(projectId: string): number {
  return slotOf(`bulkcast:project:${projectId}`);
}

async function follows({ redis }: ClusterNode): Promise<boolean> {
  return (await redis.info('replication')).includes('master_link_status:up');
}

async function channelsAt({ redis }: ClusterNode): Promise<string[]> {
  return (await redis.call('PUBSUB', 'SHARDCHANNELS')) as string[];
}

async function projectAt(cluster: RedisCluster, node: ClusterNode): Promise<string> {
  for (;;) {
    const projectId = randomUUID();
    if ((await cluster.ownerOf(slotAt(projectId), node)) === node) return projectId;
  }
}
