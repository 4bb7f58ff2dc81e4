import { sql } from 'kysely';
import { beforeAll, expect, it } from 'vitest';
import { openMemoryBus } from '../../src/progress/memory-bus.ts';
import type { Snapshot } from '../../src/tasks/snapshot.ts';
import { waitFor } from '../support/wait.ts';
import { openTasks, openTestStreams, type TestTasks } from './fixtures.ts';

let tasks: TestTasks;
let projectId: string;

beforeAll(async () => {
  tasks = await openTasks();
  projectId = await tasks.createProject();
});

it('lets a follower leave at any time, without a word', async () => {
  const bus = openMemoryBus();
  const streams = openTestStreams(tasks.db, bus);
  const task = await tasks.createTask(projectId);
  const [early, late, staying] = [streams.followTask(task), streams.followTask(task), streams.followTask(task)];
  early.leave();
  early.leave();
  await waitFor(() => late.received.length === 1, { message: 'the others have the snapshot' });
  late.leave();
  expect(streams.count()).toBe(1);
  const final = await tasks.finish(task);
  bus.publish(final);
  await waitFor(() => staying.isOver, { message: 'the one that stayed has the end' });
  expect([early.received, late.received, staying.received]).toStrictEqual([[], [task], [task, final]]);
  expect(streams.count()).toBe(0);
});

it('lets a follower leave while the database does not answer', async () => {
  const streams = openTestStreams(tasks.db, openMemoryBus());
  const task = await tasks.createTask(projectId);
  await tasks.db.transaction().execute(async (tx) => {
    await sql`lock table tasks in access exclusive mode`.execute(tx);
    const follower = streams.followTask(task);
    follower.leave();
    expect(streams.count()).toBe(0);
  });
  const next = streams.followTask(task);
  await waitFor(() => next.received.length === 1, { message: 'the next one is served' });
});

it('gives nothing more to anybody when it is stopped, and refuses those who come later', async () => {
  const bus = openMemoryBus();
  const streams = openTestStreams(tasks.db, bus);
  const task = await tasks.createTask(projectId);
  const [follower, ofProject] = [streams.followTask(task), streams.followProject(projectId)];
  await waitFor(() => follower.received.length === 1, { message: 'the snapshot arrives' });
  await Promise.all([streams.stop(), streams.stop()]);
  bus.publish(await tasks.finish(task));
  const other = await tasks.createProject();
  for (const late of [streams.followTask(task), streams.followProject(other)]) {
    await waitFor(() => late.isOver, { message: 'the late one is refused' });
    expect(late.error).toMatchObject({ code: 'UNAVAILABLE' });
  }
  expect(follower.received).toStrictEqual([task]);
  // Whoever holds the connections ends them in its own way.
  expect([follower.isOver, ofProject.isOver]).toStrictEqual([false, false]);
});

it('keeps the order of versions when rendering takes its time, and leaves out what is overtaken', async () => {
  const bus = openMemoryBus();
  const slow: PromiseWithResolvers<Snapshot>[] = [];
  const render = () => {
    const rendering = Promise.withResolvers<Snapshot>();
    slow.push(rendering);
    return rendering.promise;
  };
  const streams = openTestStreams(tasks.db, bus, { render });
  const queued = await tasks.createTask(projectId);
  const follower = streams.followTask(queued);
  await waitFor(() => slow.length === 1, { message: 'the snapshot is being rendered' });
  const running = await tasks.change(queued);
  const late = streams.followTask(queued);
  const final = await tasks.finish(running);
  bus.publish(running);
  bus.publish(final);
  slow[0]?.resolve(queued);
  await waitFor(() => slow.length === 2, { message: 'the final one is being rendered' });
  slow[1]?.resolve(final);
  await waitFor(() => follower.isOver && late.isOver, { message: 'both end' });
  expect(follower.received).toStrictEqual([queued, final]);
  expect(late.received).toStrictEqual([final]);
});

it('ends with the error when rendering fails', async () => {
  const fails = async () => {
    throw new Error('cannot be told');
  };
  const streams = openTestStreams(tasks.db, openMemoryBus(), { render: fails });
  const follower = streams.followTask(await tasks.createTask(projectId));
  await waitFor(() => follower.isOver, { message: 'it ends' });
  expect(follower.error).toMatchObject({ message: 'cannot be told' });
  expect(streams.count()).toBe(0);
});
