import { randomUUID } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { sql } from 'kysely';
import { beforeAll, expect, it } from 'vitest';
import { openMemoryBus } from '../../src/progress/memory-bus.ts';
import { waitFor } from '../support/wait.ts';
import { iterate, openTasks, openTestFeeds, readAll, type TestTasks } from './fixtures.ts';

let tasks: TestTasks;
let projectId: string;
const never = new AbortController().signal;

beforeAll(async () => {
  tasks = await openTasks();
  projectId = await tasks.createProject();
});

function open() {
  const bus = openMemoryBus();
  return { bus, feeds: openTestFeeds(tasks.db, bus) };
}

it('gives the snapshot, then what is newer, then the final one, and ends', async () => {
  const { bus, feeds } = open();
  const queued = await tasks.createTask(projectId);
  const reading = readAll(await feeds.watchTask(projectId, queued.id, { signal: never }));
  await waitFor(() => reading.received.length === 1, { message: 'the snapshot arrives' });
  const running = await tasks.change(queued);
  bus.publish(running);
  await waitFor(() => reading.received.length === 2, { message: 'the change arrives' });
  const final = await tasks.finish(running);
  bus.publish(final);
  await waitFor(() => reading.isOver, { message: 'the watch ends' });
  expect(reading.received).toStrictEqual([queued, running, final]);
  expect(await feeds.countWatches()).toBe(0);
});

it('gives one snapshot and ends when the task is final already', async () => {
  const { feeds } = open();
  const final = await tasks.finish(await tasks.createTask(projectId));
  const reading = readAll(await feeds.watchTask(projectId, final.id, { signal: never }));
  await waitFor(() => reading.isOver, { message: 'the watch ends' });
  expect(reading.received).toStrictEqual([final]);
});

it('knows neither an unknown task nor one of another project, and keeps nothing of the attempt', async () => {
  const { feeds } = open();
  const foreign = await tasks.createTask(await tasks.createProject());
  expect(await feeds.watchTask(projectId, 'aa_000000000000000000', { signal: never })).toBeUndefined();
  expect(await feeds.watchTask(projectId, foreign.id, { signal: never })).toBeUndefined();
  expect(await feeds.countWatches()).toBe(0);
});

it('leaves out what is not newer than afterVersion', async () => {
  const { bus, feeds } = open();
  const running = await tasks.change(await tasks.createTask(projectId));
  const options = { afterVersion: running.version, signal: never };
  const reading = readAll(await feeds.watchTask(projectId, running.id, options));
  bus.publish(running);
  const final = await tasks.finish(running);
  bus.publish(final);
  await waitFor(() => reading.isOver, { message: 'the watch ends' });
  expect(reading.received).toStrictEqual([final]);
});

it('ends at once, without a snapshot, when the final one is not newer than afterVersion', async () => {
  const { feeds } = open();
  const final = await tasks.finish(await tasks.createTask(projectId));
  const options = { afterVersion: final.version, signal: never };
  const reading = readAll(await feeds.watchTask(projectId, final.id, options));
  await waitFor(() => reading.isOver, { message: 'the watch ends' });
  expect(reading.received).toStrictEqual([]);
  expect(await feeds.countWatches()).toBe(0);
});

it('gives a busy task about ten times a second, and always its final snapshot', async () => {
  const { bus, feeds } = open();
  const first = await tasks.createTask(projectId, 400);
  const reading = readAll(await feeds.watchTask(projectId, first.id, { signal: never }));
  const startedMs = performance.now();
  let task = first;
  while (task.completedAt === null) {
    task = await tasks.change(task);
    bus.publish(task);
  }
  const publishedMs = performance.now();
  await waitFor(() => reading.isOver, { message: 'the watch ends' });
  expect(reading.received.length).toBeLessThanOrEqual((publishedMs - startedMs) / 100 + 3);
  expect(reading.received.length).toBeGreaterThan(2);
  expect(reading.received.at(-1)).toStrictEqual(task);
  expect(reading.versions).toStrictEqual([...new Set(reading.versions)].sort((a, b) => a - b));
});

it('gives the final snapshot without a wait, right after another change', async () => {
  const { bus, feeds } = open();
  const queued = await tasks.createTask(projectId);
  const watch = iterate(await feeds.watchTask(projectId, queued.id, { signal: never }));
  await watch.next();
  const running = await tasks.change(queued);
  const final = await tasks.finish(running);
  bus.publish(running);
  bus.publish(final);
  await nextTurn();
  const late = nextTurn().then(() => 'late');
  expect(await Promise.race([watch.next(), late])).toStrictEqual({ done: false, value: final });
});

it('keeps only the newest for a slow reader, and the final one for as long as it takes', async () => {
  const { bus, feeds } = open();
  let task = await tasks.createTask(projectId);
  const slow = iterate(await feeds.watchTask(projectId, task.id, { signal: never }));
  const quick = readAll(await feeds.watchTask(projectId, task.id, { signal: never }));
  for (let count = 0; count < 5; count += 1) {
    task = await tasks.change(task);
    bus.publish(task);
  }
  await waitFor(() => quick.versions.at(-1) === task.version, { message: 'the quick reader has the newest' });
  expect((await slow.next()).value).toStrictEqual(task);
  const final = await tasks.finish(task);
  bus.publish(final);
  bus.publish(task);
  await waitFor(() => quick.isOver, { message: 'the quick reader is through' });
  expect(await slow.next()).toStrictEqual({ done: false, value: final });
  expect(await slow.next()).toStrictEqual({ done: true, value: undefined });
});

it('finds by itself what the bus has lost', async () => {
  const { feeds } = open();
  const queued = await tasks.createTask(projectId);
  const reading = readAll(await feeds.watchTask(projectId, queued.id, { signal: never }));
  const running = await tasks.change(queued);
  await waitFor(() => reading.received.length === 2, { message: 'the lost change arrives', timeoutMs: 5_000 });
  const final = await tasks.finish(running);
  await waitFor(() => reading.isOver, { message: 'the lost end arrives', timeoutMs: 5_000 });
  expect(reading.received).toStrictEqual([queued, running, final]);
});

it('tells all watchers of a task what one of them has read', async () => {
  const { feeds } = open();
  const queued = await tasks.createTask(projectId);
  const reading = readAll(await feeds.watchTask(projectId, queued.id, { signal: never }));
  const final = await tasks.finish(queued);
  await feeds.watchTask(projectId, queued.id, { signal: never });
  await waitFor(() => reading.isOver, { message: 'the first watcher has the end', timeoutMs: 1_000 });
  expect(reading.received).toStrictEqual([queued, final]);
});

it('serves a thousand watchers that come at once with two queries', async () => {
  const bus = openMemoryBus();
  let queries = 0;
  const counting = tasks.db.withPlugin({
    transformQuery: ({ node }) => {
      queries += 1;
      return node;
    },
    transformResult: async ({ result }) => result,
  });
  const feeds = openTestFeeds(counting, bus);
  const watched = await Promise.all(Array.from({ length: 10 }, () => tasks.createTask(projectId)));
  const watches = await Promise.all(
    Array.from({ length: 100 }, () =>
      watched.map(({ id }) => feeds.watchTask(projectId, id, { signal: never })),
    ).flat(),
  );
  expect(queries).toBe(2);
  const readings = watches.map(readAll);
  for (const task of watched) bus.publish(await tasks.finish(task));
  await waitFor(() => readings.every((reading) => reading.isOver), { message: 'all of them end' });
  expect(readings.every((reading) => reading.versions.join() === '1,3')).toBe(true);
  expect(await feeds.countWatches()).toBe(0);
});

it('survives the database: watches stay open and catch up, and the outage is logged once', async () => {
  const { feeds } = open();
  const task = await tasks.createTask(projectId);
  const reading = readAll(await feeds.watchTask(projectId, task.id, { signal: never }));
  const admin = await openTasks();
  const name = sql.id(new URL(tasks.url).pathname.slice(1));
  await sql`alter database ${name} with allow_connections false`.execute(admin.db);
  await cutConnections(admin);
  await waitFor(() => feeds.log.count('feeds.reconcile_failed') === 1, { message: 'the outage is noticed' });
  await expect(feeds.watchTask(projectId, randomUUID(), { signal: never })).rejects.toThrow();
  expect(await feeds.countWatches()).toBe(1);
  await sql`alter database ${name} with allow_connections true`.execute(admin.db);
  const final = await tasks.finish(task);
  await waitFor(() => reading.isOver, { message: 'it catches up', timeoutMs: 5_000 });
  expect(reading.received).toStrictEqual([task, final]);
  expect(feeds.log.count('feeds.reconcile_failed')).toBe(1);
  expect(feeds.log.count('feeds.reconciled')).toBe(1);
});

async function cutConnections(admin: TestTasks): Promise<void> {
  const name = new URL(tasks.url).pathname.slice(1);
  await sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name}`.execute(admin.db);
}
