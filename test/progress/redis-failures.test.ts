import { Redis } from 'ioredis';
import { beforeAll, expect, it } from 'vitest';
import type { Bus } from '../../src/progress/bus.ts';
import { openRedisBus } from '../../src/progress/redis-bus.ts';
import type { Snapshot } from '../../src/tasks/snapshot.ts';
import { atEndOfFile } from '../support/at-end.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { waitFor } from '../support/wait.ts';
import {
  expectNoUnhandledRejection,
  type Follower,
  openTasks,
  openTestStreams,
  recordLog,
  snapshotOf,
  type TestTasks,
} from './fixtures.ts';

let tasks: TestTasks;

beforeAll(async () => {
  tasks = await openTasks();
});

expectNoUnhandledRejection();

/** A worker and a gateway that reach Redis through a network of their own. */
interface Place {
  server: RedisServer;
  readonly network: TcpProxy;
  readonly worker: Bus;
  readonly gateway: Bus;
}

async function openPlace(): Promise<Place> {
  const server = await startRedis();
  const network = await startTcpProxy(server.port);
  const open = () => {
    const bus = openRedisBus({ url: `redis://127.0.0.1:${network.port}`, log: recordLog(), failed: () => undefined });
    atEndOfFile(bus.stop);
    return bus;
  };
  const place = { server, network, worker: open(), gateway: open() };
  await waitUntilUp(place);
  return place;
}

function waitUntilUp({ worker, gateway }: Place): Promise<boolean> {
  return waitFor(() => worker.isUp() && gateway.isUp(), { message: 'both are connected', timeoutMs: 5_000 });
}

interface Failure {
  readonly name: string;
  breakDown(place: Place): Promise<void> | void;
  mend(place: Place): Promise<void> | void;
}

/** Outages that both processes notice. */
const failures: readonly Failure[] = [
  {
    name: 'stopped and started again',
    breakDown: ({ server }) => server.stop(),
    mend: async (place) => {
      place.server = await startRedis({ port: place.server.port });
    },
  },
  {
    name: 'killed and started on another port',
    breakDown: ({ server }) => server.kill(),
    mend: async (place) => {
      place.server = await startRedis();
      place.network.redirect(place.server.port);
    },
  },
  {
    name: 'silent',
    breakDown: ({ server }) => server.pause(),
    mend: ({ server }) => server.resume(),
  },
  {
    name: 'partitioned',
    breakDown: ({ network }) => network.partition(),
    mend: ({ network }) => network.heal(),
  },
  {
    name: 'slower than anybody waits',
    breakDown: ({ network }) => network.slowDown(60_000),
    // What was sent before still takes its minute, so this is another network.
    mend: ({ network, server }) => {
      network.slowDown(0);
      network.redirect(server.port);
    },
  },
];

it.each(failures)('loses no end and catches up within 5 s after Redis was $name', async ({ breakDown, mend }) => {
  const place = await openPlace();
  const { worker, gateway } = place;
  const projectId = await tasks.createProject();
  const streams = openTestStreams(tasks.db, gateway);
  const queued = [await tasks.createTask(projectId), await tasks.createTask(projectId)];
  const project = streams.followProject(projectId);
  const followers = queued.map((task) => streams.followTask(task));
  await waitFor(() => followers.every(({ received }) => received.length === 1), { message: 'both are followed' });
  await waitUntilFollowed(project, worker, projectId);
  await breakDown(place);
  const ends: Snapshot[] = [];
  for (const task of queued) ends.push(await endAndPublish(worker, task));
  await waitFor(() => !worker.isUp() && !gateway.isUp(), { message: 'the loss is noticed' });
  const during = await tasks.createTask(projectId);
  followers.push(streams.followTask(during));
  await waitFor(() => followers[2]?.received.length === 1, { message: 'the third is followed' });
  ends.push(await endAndPublish(worker, during));
  await mend(place);
  const caughtUp = () => followers.every(({ isOver }) => isOver) && ends.every((end) => countOf(project, end) === 1);
  await waitFor(caughtUp, { message: 'everybody has every end', timeoutMs: 5_000 });
  await waitUntilUp(place);
  expect(followers.map(({ received }) => received.at(-1))).toStrictEqual(ends);
  for (const end of ends) expect(countOf(project, end)).toBe(1);
  await expectPushed(place, projectId);
  project.leave();
  await expectReleased(place);
});

/** A project is followed from some moment on, which shows by a task that ends after it. */
async function waitUntilFollowed(project: Follower, worker: Bus, projectId: string): Promise<void> {
  const arrives = async () => {
    await endAndPublish(worker, await tasks.createTask(projectId));
    return project.received.length > 0;
  };
  await waitFor(arrives, { message: 'the project is followed' });
}

async function endAndPublish(worker: Bus, task: Snapshot): Promise<Snapshot> {
  const end = await tasks.finish(task);
  worker.publish(end);
  return end;
}

function countOf({ received }: Follower, { id, version }: Snapshot): number {
  return received.filter((snapshot) => snapshot.id === id && snapshot.version === version).length;
}

/** What is published now arrives by the bus, once. */
async function expectPushed({ worker, gateway }: Place, projectId: string): Promise<void> {
  const received: Snapshot[] = [];
  const subscription = await gateway.subscribe(projectId, (snapshot) => received.push(snapshot));
  const sent = [snapshotOf({ projectId, version: 1_000 }), snapshotOf({ projectId, version: 1_001 })];
  for (const snapshot of sent) worker.publish(snapshot);
  await waitFor(() => received.length >= sent.length, { message: 'it arrives', timeoutMs: 1_000 });
  expect(received).toStrictEqual(sent);
  await subscription.unsubscribe();
}

async function expectReleased({ server }: Place): Promise<void> {
  const redis = openClient(server);
  await waitFor(async () => (await channelsOf(redis)).length === 0, { message: 'no channel is left' });
}

async function channelsOf(redis: Redis): Promise<string[]> {
  return (await redis.pubsub('CHANNELS')) as string[];
}

function openClient({ url }: RedisServer): Redis {
  const redis = new Redis(url);
  atEndOfFile(async () => redis.disconnect());
  return redis;
}

it('stays up over a slow network, and brings everything in order', async () => {
  const place = await openPlace();
  place.network.slowDown(400);
  const projectId = await tasks.createProject();
  const received: Snapshot[] = [];
  const subscription = await place.gateway.subscribe(projectId, (snapshot) => received.push(snapshot));
  const sent = Array.from({ length: 2_000 }, (_, index) => snapshotOf({ projectId, version: index + 1 }));
  for (const snapshot of sent) place.worker.publish(snapshot);
  await waitFor(() => received.length >= sent.length, { message: 'all arrive' });
  expect(received).toStrictEqual(sent);
  expect(place.worker.isUp() && place.gateway.isUp()).toBe(true);
  await subscription.unsubscribe();
  await expectReleased(place);
});

it.each(['an administrator', 'its limit for output'] as const)(
  'loses no end when %s cuts the subscribers off, again and again',
  async (who) => {
    const place = await openPlace();
    const { worker, gateway, server } = place;
    const redis = openClient(server);
    const projectId = await tasks.createProject();
    const project = openTestStreams(tasks.db, gateway).followProject(projectId);
    await waitUntilFollowed(project, worker, projectId);
    let interruptions = 0;
    gateway.onInterrupted(() => {
      interruptions += 1;
    });
    if (who === 'its limit for output') await redis.config('SET', 'client-output-buffer-limit', 'pubsub 16kb 16kb 1');
    const startedMs = performance.now();
    for (let cut = 1; cut <= 6; cut += 1) {
      const before = interruptions;
      if (who === 'an administrator') await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
      else await flood(redis, projectId);
      const end = await endAndPublish(worker, await tasks.createTask(projectId));
      await waitFor(() => interruptions > before && gateway.isUp(), { message: 'it is back', timeoutMs: 5_000 });
      await waitFor(() => countOf(project, end) === 1, { message: 'the end arrives', timeoutMs: 5_000 });
    }
    // Who is cut off at once again comes back more slowly each time.
    expect(performance.now() - startedMs).toBeGreaterThan(1_000);
    expect(interruptions).toBeLessThan(20);
    await redis.config('SET', 'client-output-buffer-limit', 'pubsub 32mb 8mb 60');
    await expectPushed(place, projectId);
    project.leave();
    await expectReleased(place);
  },
);

/** More than Redis holds back for one subscriber, in one command so that it has no chance to write in between. */
async function flood(redis: Redis, projectId: string): Promise<void> {
  const script = `for i = 1, 200 do redis.call('PUBLISH', KEYS[1], ARGV[1]) end`;
  await redis.eval(script, 1, `bulkcast:project:${projectId}`, JSON.stringify({ text: 'x'.repeat(1_000) }));
}
