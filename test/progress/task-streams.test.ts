import { randomUUID } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { sql } from 'kysely';
import { beforeAll, expect, it } from 'vitest';
import { openMemoryBus } from '../../src/progress/memory-bus.ts';
import { waitFor } from '../support/wait.ts';
import { openTasks, openTestStreams, type TestTasks } from './fixtures.ts';

let tasks: TestTasks;
let projectId: string;

beforeAll(async () => {
  tasks = await openTasks();
  projectId = await tasks.createProject();
});

function open() {
  const bus = openMemoryBus();
  return { bus, streams: openTestStreams(tasks.db, bus) };
}

it('gives the snapshot, then what is newer, then the final one, and ends', async () => {
  const { bus, streams } = open();
  const queued = await tasks.createTask(projectId);
  const follower = streams.followTask(queued);
  await waitFor(() => follower.received.length === 1, { message: 'the snapshot arrives' });
  const running = await tasks.change(queued);
  bus.publish(running);
  await waitFor(() => follower.received.length === 2, { message: 'the change arrives' });
  const final = await tasks.finish(running);
  bus.publish(final);
  await waitFor(() => follower.isOver, { message: 'the stream ends' });
  expect(follower.received).toStrictEqual([queued, running, final]);
  expect(follower.error).toBeUndefined();
  expect(streams.count()).toBe(0);
});

it('gives one snapshot and ends when the task is final already', async () => {
  const { streams } = open();
  const final = await tasks.finish(await tasks.createTask(projectId));
  const follower = streams.followTask(final);
  await waitFor(() => follower.isOver, { message: 'the stream ends' });
  expect(follower.received).toStrictEqual([final]);
});

it('knows neither an unknown task nor one of another project, and keeps nothing of the attempt', async () => {
  const { streams } = open();
  const foreign = await tasks.createTask(await tasks.createProject());
  for (const id of ['aa_000000000000000000', foreign.id]) {
    const follower = streams.followTask({ projectId, id });
    await waitFor(() => follower.isOver, { message: 'the stream ends' });
    expect(follower.error).toMatchObject({ code: 'NOT_FOUND' });
    expect(follower.received).toStrictEqual([]);
  }
  expect(streams.count()).toBe(0);
});

it('leaves out what is not newer than afterVersion', async () => {
  const { bus, streams } = open();
  const running = await tasks.change(await tasks.createTask(projectId));
  const follower = streams.followTask(running, running.version);
  bus.publish(running);
  const final = await tasks.finish(running);
  bus.publish(final);
  await waitFor(() => follower.isOver, { message: 'the stream ends' });
  expect(follower.received).toStrictEqual([final]);
});

it('ends at once, without a snapshot, when the final one is not newer than afterVersion', async () => {
  const { streams } = open();
  const final = await tasks.finish(await tasks.createTask(projectId));
  const follower = streams.followTask(final, final.version);
  await waitFor(() => follower.isOver, { message: 'the stream ends' });
  expect(follower.received).toStrictEqual([]);
  expect(streams.count()).toBe(0);
});

it('gives a busy task about ten times a second, and always its final snapshot', async () => {
  const { bus, streams } = open();
  const first = await tasks.createTask(projectId, 400);
  const follower = streams.followTask(first);
  await waitFor(() => follower.received.length > 0, { message: 'the snapshot arrives' });
  const startedMs = performance.now();
  let task = first;
  while (task.completedAt === null) {
    task = await tasks.change(task);
    bus.publish(task);
  }
  const publishedMs = performance.now();
  await waitFor(() => follower.isOver, { message: 'the stream ends' });
  expect(follower.received.length).toBeLessThanOrEqual((publishedMs - startedMs) / 100 + 3);
  expect(follower.received.length).toBeGreaterThan(2);
  expect(follower.received.at(-1)).toStrictEqual(task);
  expect(follower.versions).toStrictEqual([...new Set(follower.versions)].sort((a, b) => a - b));
});

it('gives the final snapshot without a wait, right after another change', async () => {
  const { bus, streams } = open();
  const queued = await tasks.createTask(projectId);
  const follower = streams.followTask(queued);
  await waitFor(() => follower.received.length > 0, { message: 'the snapshot arrives' });
  const running = await tasks.change(queued);
  const final = await tasks.finish(running);
  bus.publish(running);
  bus.publish(final);
  await nextTurn();
  expect(follower.received.at(-1)).toStrictEqual(final);
});

it('keeps only the newest for a slow reader, and the final one for as long as it takes', async () => {
  const { bus, streams } = open();
  let task = await tasks.createTask(projectId);
  const [slow, quick] = [streams.followTask(task), streams.followTask(task)];
  slow.block();
  for (let count = 0; count < 5; count += 1) {
    task = await tasks.change(task);
    bus.publish(task);
  }
  await waitFor(() => quick.versions.at(-1) === task.version, { message: 'the quick reader has the newest' });
  slow.unblock();
  expect(slow.received).toStrictEqual([task]);
  slow.block();
  const final = await tasks.finish(task);
  bus.publish(final);
  bus.publish(task);
  await waitFor(() => quick.isOver, { message: 'the quick reader is through' });
  const late = streams.followTask(task);
  await waitFor(() => late.isOver, { message: 'one that comes later is through' });
  expect(slow.isOver).toBe(false);
  slow.unblock();
  expect(slow.received).toStrictEqual([task, final]);
  expect(slow.isOver).toBe(true);
  expect(streams.count()).toBe(0);
});

it('gives nothing old to one that joins, and nothing too early to those who have', async () => {
  const { bus, streams } = open();
  const queued = await tasks.createTask(projectId);
  const early = streams.followTask(queued);
  await waitFor(() => early.received.length === 1, { message: 'the snapshot arrives' });
  const running = await tasks.change(queued);
  bus.publish(running);
  await nextTurn();
  const unpublished = await tasks.change(running);
  const late = streams.followTask(queued);
  await waitFor(() => late.received.length === 1, { message: 'the later one has it' });
  expect(late.received).toStrictEqual([unpublished]);
  await waitFor(() => early.versions.at(-1) === unpublished.version, { message: 'the early one has it too' });
  expect(streams.rendered).toBe(early.received.length);
});

it('renders each version once for all, and again for none who comes later', async () => {
  const { bus, streams } = open();
  const queued = await tasks.createTask(projectId);
  const followers = Array.from({ length: 100 }, () => streams.followTask(queued));
  await waitFor(() => followers.every(({ received }) => received.length === 1), { message: 'all have the snapshot' });
  const late = streams.followTask(queued);
  await waitFor(() => late.received.length === 1, { message: 'the late one has it' });
  expect(streams.rendered).toBe(1);
  const final = await tasks.finish(queued);
  bus.publish(final);
  await waitFor(() => [...followers, late].every(({ isOver }) => isOver), { message: 'all of them end' });
  expect(streams.rendered).toBe(2);
  for (const { received } of [...followers, late]) expect(received).toStrictEqual([queued, final]);
});

it('finds by itself what the bus has lost', async () => {
  const { streams } = open();
  const queued = await tasks.createTask(projectId);
  const follower = streams.followTask(queued);
  await waitFor(() => follower.received.length === 1, { message: 'the snapshot arrives' });
  const running = await tasks.change(queued);
  await waitFor(() => follower.received.length === 2, { message: 'the lost change arrives', timeoutMs: 5_000 });
  const final = await tasks.finish(running);
  await waitFor(() => follower.isOver, { message: 'the lost end arrives', timeoutMs: 5_000 });
  expect(follower.received).toStrictEqual([queued, running, final]);
});

it('tells all followers of a task what one of them has read', async () => {
  const { streams } = open();
  const queued = await tasks.createTask(projectId);
  const follower = streams.followTask(queued);
  await waitFor(() => follower.received.length === 1, { message: 'the snapshot arrives' });
  const final = await tasks.finish(queued);
  streams.followTask(queued);
  await waitFor(() => follower.isOver, { message: 'the first follower has the end', timeoutMs: 1_000 });
  expect(follower.received).toStrictEqual([queued, final]);
});

it('serves a thousand followers that come at once with two queries', async () => {
  const bus = openMemoryBus();
  let queries = 0;
  const counting = tasks.db.withPlugin({
    transformQuery: ({ node }) => {
      queries += 1;
      return node;
    },
    transformResult: async ({ result }) => result,
  });
  const streams = openTestStreams(counting, bus);
  const watched = await Promise.all(Array.from({ length: 10 }, () => tasks.createTask(projectId)));
  const followers = watched.flatMap((task) => Array.from({ length: 100 }, () => streams.followTask(task)));
  await waitFor(() => followers.every(({ received }) => received.length === 1), { message: 'all have a snapshot' });
  expect(queries).toBe(2);
  for (const task of watched) bus.publish(await tasks.finish(task));
  await waitFor(() => followers.every(({ isOver }) => isOver), { message: 'all of them end' });
  expect(followers.every(({ versions }) => versions.join() === '1,3')).toBe(true);
  expect(streams.count()).toBe(0);
});

it('survives the database: streams stay open and catch up, and the outage is logged once', async () => {
  const { streams } = open();
  const task = await tasks.createTask(projectId);
  const follower = streams.followTask(task);
  await waitFor(() => follower.received.length === 1, { message: 'the snapshot arrives' });
  const admin = await openTasks();
  const name = sql.id(new URL(tasks.url).pathname.slice(1));
  await sql`alter database ${name} with allow_connections false`.execute(admin.db);
  await cutConnections(admin);
  await waitFor(() => streams.log.count('feeds.reconcile_failed') === 1, { message: 'the outage is noticed' });
  const refused = streams.followTask({ projectId, id: randomUUID() });
  await waitFor(() => refused.isOver, { message: 'a new one is refused' });
  expect(refused.error).toBeInstanceOf(Error);
  expect(streams.count()).toBe(1);
  await sql`alter database ${name} with allow_connections true`.execute(admin.db);
  const final = await tasks.finish(task);
  await waitFor(() => follower.isOver, { message: 'it catches up', timeoutMs: 5_000 });
  expect(follower.received).toStrictEqual([task, final]);
  expect(streams.log.count('feeds.reconcile_failed')).toBe(1);
  expect(streams.log.count('feeds.reconciled')).toBe(1);
});

async function cutConnections(admin: TestTasks): Promise<void> {
  const name = new URL(tasks.url).pathname.slice(1);
  await sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name}`.execute(admin.db);
}
