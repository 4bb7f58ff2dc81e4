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
  return openTestFeeds(tasks.db, openMemoryBus());
}

it('ends with its signal, whenever that is aborted', async () => {
  const feeds = open();
  const task = await tasks.createTask(projectId);
  const over = { done: true, value: undefined };

  const before = AbortSignal.abort();
  expect(await iterate(await feeds.watchTask(projectId, task.id, { signal: before })).next()).toStrictEqual(over);

  const unread = new AbortController();
  const unreadWatch = iterate(await feeds.watchTask(projectId, task.id, { signal: unread.signal }));
  unread.abort();
  expect(await unreadWatch.next()).toStrictEqual(over);

  const waiting = new AbortController();
  const waitingWatch = iterate(await feeds.watchTask(projectId, task.id, { signal: waiting.signal }));
  await waitingWatch.next();
  const next = waitingWatch.next();
  waiting.abort();
  expect(await next).toStrictEqual(over);
  expect(await feeds.countWatches()).toBe(0);
});

it('ends with its signal while the database does not answer', async () => {
  const feeds = open();
  const task = await tasks.createTask(projectId);
  const abort = new AbortController();
  await tasks.db.transaction().execute(async (tx) => {
    await sql`lock table tasks in access exclusive mode`.execute(tx);
    const opening = feeds.watchTask(projectId, task.id, { signal: abort.signal });
    await waitFor(async () => (await feeds.countWatches()) === 1, { message: 'it is opening' });
    abort.abort();
    expect(await iterate(await opening).next()).toStrictEqual({ done: true, value: undefined });
  });
  expect(await feeds.countWatches()).toBe(0);
});

it('ends when its reader returns', async () => {
  const feeds = open();
  const task = await tasks.createTask(projectId);
  const watch = await feeds.watchTask(projectId, task.id, { signal: never });
  for await (const snapshot of watch ?? []) {
    expect(snapshot).toStrictEqual(task);
    break;
  }
  expect(await iterate(watch).next()).toStrictEqual({ done: true, value: undefined });
  const waiting = iterate(await feeds.watchTask(projectId, task.id, { signal: never, afterVersion: task.version }));
  const next = waiting.next();
  await waiting.return?.();
  expect(await next).toStrictEqual({ done: true, value: undefined });
  expect(await feeds.countWatches()).toBe(0);
});

it('ends every watch when it is stopped, also those opened later', async () => {
  const feeds = open();
  const task = await tasks.createTask(projectId);
  const reading = readAll(await feeds.watchTask(projectId, task.id, { signal: never }));
  const projectReading = readAll(await feeds.watchProject(projectId, { matches: () => true, signal: never }));
  await Promise.all([feeds.stop(), feeds.stop()]);
  await waitFor(() => reading.isOver && projectReading.isOver, { message: 'both end' });
  const later = readAll(await feeds.watchTask(projectId, task.id, { signal: never }));
  const laterProject = readAll(await feeds.watchProject(projectId, { matches: () => true, signal: never }));
  await waitFor(() => later.isOver && laterProject.isOver, { message: 'the later ones end' });
  expect(await feeds.countWatches()).toBe(0);
});
