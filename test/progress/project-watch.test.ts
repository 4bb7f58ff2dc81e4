import { randomUUID } from 'node:crypto';
import { beforeAll, expect, it } from 'vitest';
import { openMemoryBus } from '../../src/progress/memory-bus.ts';
import { isFinal } from '../../src/tasks/state.ts';
import { waitFor } from '../support/wait.ts';
import { openTasks, openTestFeeds, readAll, snapshotOf, type TestTasks } from './fixtures.ts';

let tasks: TestTasks;
const never = new AbortController().signal;
const all = { matches: () => true, signal: never };

beforeAll(async () => {
  tasks = await openTasks();
});

async function open() {
  const bus = openMemoryBus();
  return { bus, feeds: openTestFeeds(tasks.db, bus), projectId: await tasks.createProject() };
}

it('gives every change from now on, of this project only', async () => {
  const { bus, feeds, projectId } = await open();
  const old = await tasks.createTask(projectId);
  const reading = readAll(await feeds.watchProject(projectId, all));
  const created = await tasks.createTask(projectId);
  bus.publish(await tasks.createTask(await tasks.createProject()));
  bus.publish(created);
  const changed = await tasks.change(old);
  bus.publish(changed);
  await waitFor(() => reading.received.length === 2, { message: 'both changes arrive' });
  expect(reading.received).toStrictEqual([created, changed]);
});

it('finds by itself what the bus has lost, and does not repeat what it had', async () => {
  const { bus, feeds, projectId } = await open();
  await tasks.finish(await tasks.createTask(projectId));
  const reading = readAll(await feeds.watchProject(projectId, all));
  const told = await tasks.createTask(projectId);
  bus.publish(told);
  await waitFor(() => reading.received.length === 1, { message: 'the message arrives' });
  const lost = await tasks.createTask(projectId);
  await waitFor(() => reading.received.length === 2, { message: 'the lost one arrives', timeoutMs: 5_000 });
  const lostToo = await tasks.finish(told);
  await waitFor(() => reading.received.length === 3, { message: 'the lost end arrives', timeoutMs: 5_000 });
  expect(reading.received).toStrictEqual([told, lost, lostToo]);
});

it('gives only what matches', async () => {
  const { bus, feeds, projectId } = await open();
  const matches = snapshotOf({ projectId, state: 'SUCCEEDED', completedAt: new Date() });
  const signal = never;
  const reading = readAll(await feeds.watchProject(projectId, { matches: ({ state }) => isFinal(state), signal }));
  bus.publish(snapshotOf({ projectId }));
  bus.publish(matches);
  await waitFor(() => reading.received.length > 0, { message: 'the final one arrives' });
  expect(reading.received).toStrictEqual([matches]);
});

it('keeps the newest of each task for a slow reader, in the order in which they changed', async () => {
  const { bus, feeds, projectId } = await open();
  const watch = await feeds.watchProject(projectId, all);
  const [first, second] = [snapshotOf({ projectId, version: 1 }), snapshotOf({ projectId, version: 1 })];
  const firstEnd = { ...first, version: 9, state: 'SUCCEEDED', completedAt: new Date() } as const;
  for (const snapshot of [first, second, { ...first, version: 2 }, firstEnd]) bus.publish(snapshot);
  const quick = readAll(await feeds.watchProject(projectId, all));
  bus.publish({ ...second, version: 2 });
  await waitFor(() => quick.received.length > 0, { message: 'all of them are through' });
  const reading = readAll(watch);
  await waitFor(() => reading.received.length === 2, { message: 'both arrive' });
  expect(reading.received).toStrictEqual([firstEnd, { ...second, version: 2 }]);
});

it('gives a reader that lets 10,000 tasks wait an error instead of a gap', async () => {
  const { bus, feeds, projectId } = await open();
  const watch = await feeds.watchProject(projectId, all);
  for (let count = 0; count <= 10_000; count += 1) bus.publish(snapshotOf({ projectId }));
  const reader = watch[Symbol.asyncIterator]();
  await waitFor(async () => (await feeds.countWatches()) === 0, { message: 'the watch is given up' });
  await expect(reader.next()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  expect(await reader.next()).toStrictEqual({ done: true, value: undefined });
});

it('hands the error of a filter to its reader and to nobody else', async () => {
  const { bus, feeds, projectId } = await open();
  const matches = () => {
    throw new Error('no such field');
  };
  const broken = (await feeds.watchProject(projectId, { matches, signal: never }))[Symbol.asyncIterator]().next();
  const reading = readAll(await feeds.watchProject(projectId, all));
  bus.publish(snapshotOf({ projectId }));
  await expect(broken).rejects.toThrow('no such field');
  await waitFor(() => reading.received.length === 1, { message: 'the other reader gets it' });
});

it('gives a busy task about ten times a second beside quiet ones', async () => {
  const { bus, feeds, projectId } = await open();
  const reading = readAll(await feeds.watchProject(projectId, all));
  let busy = await tasks.createTask(projectId, 300);
  const startedMs = performance.now();
  while (busy.completedAt === null) {
    busy = await tasks.change(busy);
    bus.publish(busy);
  }
  const quiet = await tasks.createTask(projectId);
  bus.publish(quiet);
  const elapsedMs = performance.now() - startedMs;
  await waitFor(() => reading.received.at(-1)?.id === quiet.id, { message: 'the quiet one arrives' });
  const ofBusy = reading.received.filter(({ id }) => id === busy.id);
  expect(ofBusy.at(-1)).toStrictEqual(busy);
  expect(ofBusy.length).toBeLessThanOrEqual(elapsedMs / 100 + 3);
});

it('ends with its signal and keeps nothing', async () => {
  const { bus, feeds, projectId } = await open();
  const abort = new AbortController();
  const reading = readAll(await feeds.watchProject(projectId, { matches: () => true, signal: abort.signal }));
  const opening = feeds.watchProject(projectId, { matches: () => true, signal: abort.signal });
  abort.abort();
  const late = readAll(await opening);
  await waitFor(() => reading.isOver && late.isOver, { message: 'both end' });
  bus.publish(snapshotOf({ projectId }));
  expect(await feeds.countWatches()).toBe(0);
  const again = readAll(await feeds.watchProject(projectId, all));
  const snapshot = snapshotOf({ projectId, id: randomUUID() });
  bus.publish(snapshot);
  await waitFor(() => again.received.length === 1, { message: 'a new watch works' });
  expect(again.received).toStrictEqual([snapshot]);
});
