import { randomUUID } from 'node:crypto';
import { beforeAll, expect, it } from 'vitest';
import { openMemoryBus } from '../../src/progress/memory-bus.ts';
import { isFinal } from '../../src/tasks/state.ts';
import { waitFor } from '../support/wait.ts';
import { type Follower, openTasks, openTestStreams, snapshotOf, type TestTasks } from './fixtures.ts';

let tasks: TestTasks;

beforeAll(async () => {
  tasks = await openTasks();
});

async function open() {
  const bus = openMemoryBus();
  const streams = openTestStreams(tasks.db, bus);
  const projectId = await tasks.createProject();
  /** Follows, and resolves once everything published arrives. */
  const follow = async (matches?: Parameters<typeof streams.followProject>[1]): Promise<Follower> => {
    const [follower, probe] = [streams.followProject(projectId, matches), streams.followProject(projectId, isProbe)];
    await waitFor(
      () => {
        bus.publish(snapshotOf({ projectId, operation: 'a probe', version: 1 }));
        return probe.received.length > 0;
      },
      { message: 'the project is followed' },
    );
    probe.leave();
    return follower;
  };
  return { bus, streams, projectId, follow };
}

const isProbe = ({ operation }: { operation: string }) => operation === 'a probe';
const isNoProbe = ({ operation }: { operation: string }) => operation !== 'a probe';

it('gives every change from now on, of this project only', async () => {
  const { bus, projectId, follow } = await open();
  const old = await tasks.createTask(projectId);
  const follower = await follow(isNoProbe);
  const created = await tasks.createTask(projectId);
  bus.publish(await tasks.createTask(await tasks.createProject()));
  bus.publish(created);
  const changed = await tasks.change(old);
  bus.publish(changed);
  await waitFor(() => follower.received.length === 2, { message: 'both changes arrive' });
  expect(follower.received).toStrictEqual([created, changed]);
});

it('finds by itself what the bus has lost, and does not repeat what it had', async () => {
  const { bus, projectId, follow } = await open();
  await tasks.finish(await tasks.createTask(projectId));
  const follower = await follow(isNoProbe);
  const told = await tasks.createTask(projectId);
  bus.publish(told);
  await waitFor(() => follower.received.length === 1, { message: 'the message arrives' });
  const lost = await tasks.createTask(projectId);
  await waitFor(() => follower.received.length === 2, { message: 'the lost one arrives', timeoutMs: 5_000 });
  const lostToo = await tasks.finish(told);
  await waitFor(() => follower.received.length === 3, { message: 'the lost end arrives', timeoutMs: 5_000 });
  expect(follower.received).toStrictEqual([told, lost, lostToo]);
});

it('gives only what matches', async () => {
  const { bus, projectId, follow } = await open();
  const final = snapshotOf({ projectId, state: 'SUCCEEDED', completedAt: new Date() });
  const follower = await follow(({ state }) => isFinal(state));
  bus.publish(snapshotOf({ projectId }));
  bus.publish(final);
  await waitFor(() => follower.received.length > 0, { message: 'the final one arrives' });
  expect(follower.received).toStrictEqual([final]);
});

it('renders each change once for all', async () => {
  const { bus, streams, projectId, follow } = await open();
  const followers = [
    await follow(isNoProbe),
    ...Array.from({ length: 9 }, () => streams.followProject(projectId, isNoProbe)),
  ];
  const before = streams.rendered;
  for (let count = 0; count < 5; count += 1) bus.publish(snapshotOf({ projectId }));
  await waitFor(() => followers.every(({ received }) => received.length === 5), { message: 'all have all' });
  expect(streams.rendered - before).toBe(5);
});

it('keeps the newest of each task for a slow reader, in the order in which they changed', async () => {
  const { bus, streams, projectId, follow } = await open();
  const slow = await follow(isNoProbe);
  slow.block();
  const [first, second] = [snapshotOf({ projectId, version: 1 }), snapshotOf({ projectId, version: 1 })];
  const firstEnd = { ...first, version: 9, state: 'SUCCEEDED', completedAt: new Date() } as const;
  for (const snapshot of [first, second, { ...first, version: 2 }, firstEnd]) bus.publish(snapshot);
  const quick = streams.followProject(projectId, isNoProbe);
  bus.publish({ ...second, version: 2 });
  await waitFor(() => quick.versions.includes(2), { message: 'all of them are through' });
  slow.unblock();
  expect(slow.received).toStrictEqual([firstEnd, { ...second, version: 2 }]);
});

it('gives a reader that lets 10,000 tasks wait an error instead of a gap, and nobody else', async () => {
  const { bus, streams, projectId, follow } = await open();
  const slow = await follow(isNoProbe);
  const quick = streams.followProject(projectId, isNoProbe);
  slow.block();
  for (let count = 0; count <= 10_000; count += 1) bus.publish(snapshotOf({ projectId }));
  await waitFor(() => slow.isOver, { message: 'the slow one is given up' });
  expect(slow.error).toMatchObject({ code: 'UNAVAILABLE' });
  await waitFor(() => quick.received.length === 10_001, { message: 'the quick one has all' });
  expect(streams.count()).toBe(1);
});

it('hands the error of a filter to those who gave it and to nobody else', async () => {
  const { bus, streams, projectId, follow } = await open();
  const other = await follow(isNoProbe);
  const broken = streams.followProject(projectId, () => {
    throw new Error('no such field');
  });
  await waitFor(
    () => {
      bus.publish(snapshotOf({ projectId }));
      return broken.isOver;
    },
    { message: 'the broken one ends' },
  );
  expect(broken.error).toMatchObject({ message: 'no such field' });
  await waitFor(() => other.received.length > 0, { message: 'the other gets it' });
});

it('gives a busy task about ten times a second beside quiet ones', async () => {
  const { bus, projectId, follow } = await open();
  const follower = await follow(isNoProbe);
  let busy = await tasks.createTask(projectId, 300);
  const startedMs = performance.now();
  while (busy.completedAt === null) {
    busy = await tasks.change(busy);
    bus.publish(busy);
  }
  const quiet = await tasks.createTask(projectId);
  bus.publish(quiet);
  const elapsedMs = performance.now() - startedMs;
  await waitFor(() => follower.received.at(-1)?.id === quiet.id, { message: 'the quiet one arrives' });
  const ofBusy = follower.received.filter(({ id }) => id === busy.id);
  expect(ofBusy.at(-1)).toStrictEqual(busy);
  expect(ofBusy.length).toBeLessThanOrEqual(elapsedMs / 100 + 3);
});

it('keeps nothing of a follower that leaves', async () => {
  const { bus, streams, projectId, follow } = await open();
  const follower = await follow(isNoProbe);
  const opening = streams.followProject(projectId, isNoProbe);
  follower.leave();
  opening.leave();
  bus.publish(snapshotOf({ projectId }));
  expect(streams.count()).toBe(0);
  const again = await follow(isNoProbe);
  const snapshot = snapshotOf({ projectId, id: randomUUID() });
  bus.publish(snapshot);
  await waitFor(() => again.received.length === 1, { message: 'a new one works' });
  expect(again.received).toStrictEqual([snapshot]);
});
