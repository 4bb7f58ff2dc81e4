import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { estimatedCompletionOf, rateOf, type Snapshot } from '../../src/tasks/snapshot.ts';
import { startTask } from '../../src/tasks/start.ts';
import { pauseTask, resumeTask } from '../../src/tasks/steer.ts';
import { countChunk, markRunning, readTask } from '../../src/tasks/store.ts';
import { openTestEngine } from '../support/engine.ts';
import { createProbe } from '../support/probe.ts';
import { waitFor } from '../support/wait.ts';

async function openTask(count: number) {
  const { operation } = createProbe();
  const engine = await openTestEngine([operation]);
  const items = Array.from({ length: count }, () => ({ say: 'ok' }));
  const { projectId, db } = engine;
  const { id } = await startTask(engine, { operation, input: { items }, projectId, requestId: 'v-test' });
  await markRunning(db, id);
  return {
    of: { id, projectId, actor: 'test' },
    engine,
    /** Counts items that took so long. */
    async count(processed: number, seconds: number): Promise<Snapshot> {
      await sql`update tasks set version = version + 1, rate_at = clock_timestamp() - make_interval(secs => ${seconds})
        where id = ${id}`.execute(db);
      const counted = await db.transaction().execute((tx) => countChunk(tx, id, processed, 0));
      // What is pushed is what a poll reads.
      expect(await readTask(db, id)).toEqual(counted);
      return counted;
    },
  };
}

test('the rate is that of the last seconds, and the estimate follows from it', async () => {
  const { count } = await openTask(1_000);
  expect(rateOf(await count(10, 2))).toBeCloseTo(5, 1);
  const later = await count(30, 2);
  expect(rateOf(later)).toBeCloseTo(10.5, 0);
  const secondsLeft = ((estimatedCompletionOf(later)?.getTime() ?? 0) - later.updatedAt.getTime()) / 1000;
  expect(secondsLeft).toBeCloseTo(960 / (rateOf(later) ?? 1), 1);
  // What is half a minute old is all but forgotten.
  expect(rateOf(await count(58, 29))).toBeCloseTo(2.1, 0);
});

test('a stall is no measurement: the rate begins anew after it', async () => {
  const { count } = await openTask(10_000);
  expect(rateOf(await count(1_000, 2))).toBeCloseTo(500, -1);
  expect(rateOf(await count(1_000, 41))).toBeNull();
  expect(rateOf(await count(100, 0.5))).toBeNull();
  expect(rateOf(await count(900, 1.5))).toBeCloseTo(500, -2);
});

test('a task of slow chunks has a rate, from the first one and after a stall', async () => {
  const { count } = await openTask(10_000);
  for (const seconds of [60, 90, 100]) expect(rateOf(await count(120, seconds))).toBeCloseTo(120 / seconds, 1);
  expect(rateOf(await count(120, 1_000))).toBeNull();
  // Two workers, whose chunks end one right after the other.
  for (const seconds of [0.1, 60, 0.1, 60]) await count(60, seconds);
  expect(rateOf(await count(60, 0.1))).toBeCloseTo(2, 1);
});

test('a measurement holds for half a minute, or for three times the time of its chunks', async () => {
  const { engine, of, count } = await openTask(1_000);
  const isTold = async (seconds: number): Promise<boolean> => {
    await sql`update tasks set version = version + 1, rate_at = clock_timestamp() - make_interval(secs => ${seconds})
      where id = ${of.id}`.execute(engine.db);
    const task = await readTask(engine.db, of.id);
    return task !== undefined && rateOf(task) !== null;
  };
  await count(1, 5);
  expect([await isTold(25), await isTold(31)]).toEqual([true, false]);
  await count(1, 29);
  await count(1, 60);
  expect([await isTold(170), await isTold(190)]).toEqual([true, false]);
});

test('an estimate that has passed is not told, though the rate still is', async () => {
  const { count } = await openTask(1_000);
  const almost = await count(999, 10);
  await waitFor(() => estimatedCompletionOf(almost) === null, { message: 'ten milliseconds have passed' });
  expect(rateOf(almost)).toBeCloseTo(99.9, 0);
});

test('there is no rate and no estimate before a second has been measured', async () => {
  const { count } = await openTask(1_000);
  const early = await count(10, 0.2);
  expect([rateOf(early), estimatedCompletionOf(early)]).toEqual([null, null]);
});

test('a pause tells neither, and does not count as time', async () => {
  const { engine, of, count } = await openTask(1_000);
  const before = await count(20, 2);
  const paused = await pauseTask(engine, of);
  expect([rateOf(paused), estimatedCompletionOf(paused)]).toEqual([null, null]);
  await sql`update tasks set version = version + 1, rate_at = rate_at - interval '1 hour' where id = ${of.id}`.execute(
    engine.db,
  );
  expect(rateOf(await resumeTask(engine, of))).toBeCloseTo(rateOf(before) ?? 0, 5);
});

test('a task that has ended tells its average', async () => {
  const { count } = await openTask(10);
  const end = await count(10, 5);
  const seconds = ((end.completedAt?.getTime() ?? 0) - (end.startedAt?.getTime() ?? 0)) / 1000;
  expect(end.state).toBe('SUCCEEDED');
  expect(rateOf(end)).toBeCloseTo(10 / seconds, 5);
  expect(estimatedCompletionOf(end)).toBeNull();
});
