import { beforeAll, expect, it } from 'vitest';
import { openRedisBus } from '../../src/progress/redis-bus.ts';
import type { Snapshot } from '../../src/tasks/snapshot.ts';
import { atEndOfFile } from '../support/at-end.ts';
import { startRedis } from '../support/redis.ts';
import { waitFor } from '../support/wait.ts';
import { type Follower, openTasks, openTestStreams, recordLog, type TestTasks } from './fixtures.ts';

let tasks: TestTasks;

beforeAll(async () => {
  tasks = await openTasks();
});

/** One process: its own connections to Redis. */
function openBus(url: string) {
  const bus = openRedisBus({ url, log: recordLog(), failed: () => undefined });
  atEndOfFile(bus.stop);
  return bus;
}

it('shows a task of any worker on every gateway at once', async () => {
  const { url } = await startRedis();
  const projectId = await tasks.createProject();
  const worker = openBus(url);
  await waitFor(worker.isUp, { message: 'the worker is connected' });
  const gateways = [openBus(url), openBus(url)].map((bus) => openTestStreams(tasks.db, bus));
  const queued = await tasks.createTask(projectId);
  const readings = gateways.map((streams) => streams.followTask(queued));
  await waitFor(() => readings.every(({ received }) => received.length === 1), { message: 'both have the snapshot' });
  const final = await tasks.finish(queued);
  const publishedMs = performance.now();
  worker.publish(final);
  await waitFor(() => readings.every(({ isOver }) => isOver), { message: 'both gateways have the end' });
  expect(performance.now() - publishedMs).toBeLessThan(1_000);
  for (const { received } of readings) expect(received).toStrictEqual([queued, final]);
});

it.each(['stopped', 'silent'] as const)(
  'catches up within 5 s after Redis was %s, with no further change',
  async (way) => {
    const server = await startRedis();
    const projectId = await tasks.createProject();
    const bus = openBus(server.url);
    const streams = openTestStreams(tasks.db, bus);
    const [first, second] = [await tasks.createTask(projectId), await tasks.createTask(projectId)];
    const taskReading = streams.followTask(first);
    const projectReading = streams.followProject(projectId);
    await waitFor(() => taskReading.received.length > 0, { message: 'both are followed' });
    if (way === 'stopped') await server.kill();
    else server.pause();
    const firstEnd = await tasks.finish(first);
    const secondEnd = await tasks.finish(second);
    bus.publish(firstEnd);
    bus.publish(secondEnd);
    await waitFor(() => !bus.isUp(), { message: 'the loss is noticed' });
    const third = await tasks.createTask(projectId);
    const during = streams.followTask(third);
    await waitFor(() => during.received.length > 0, { message: 'the third is followed' });
    const thirdEnd = await tasks.finish(third);
    if (way === 'stopped') await startRedis({ port: server.port });
    else server.resume();
    const has = (reading: Follower, wanted: Snapshot) =>
      reading.received.some(({ id, version }) => id === wanted.id && version === wanted.version);
    const caughtUp = () =>
      taskReading.isOver && during.isOver && [firstEnd, secondEnd, thirdEnd].every((end) => has(projectReading, end));
    await waitFor(caughtUp, { message: 'everybody has caught up', timeoutMs: 5_000 });
    expect(during.received).toStrictEqual([third, thirdEnd]);
  },
);

it('reads a task only after it has subscribed, so that no change can fall between', async () => {
  const server = await startRedis();
  const projectId = await tasks.createProject();
  const bus = openBus(server.url);
  await waitFor(bus.isUp, { message: 'the bus is up' });
  const streams = openTestStreams(tasks.db, bus);
  const queued = await tasks.createTask(projectId);
  server.pause();
  const reading = streams.followTask(queued);
  const running = await tasks.change(queued);
  server.resume();
  await waitFor(() => reading.received.length > 0, { message: 'the snapshot arrives' });
  expect(reading.received).toStrictEqual([running]);
});
