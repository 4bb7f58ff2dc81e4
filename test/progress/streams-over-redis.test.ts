import { beforeAll, expect, it } from 'vitest';
import { openRedisBus } from '../../src/progress/redis-bus.ts';
import { atEndOfFile } from '../support/at-end.ts';
import { startRedis } from '../support/redis.ts';
import { waitFor } from '../support/wait.ts';
import { openTasks, openTestStreams, recordLog, type TestTasks } from './fixtures.ts';

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
