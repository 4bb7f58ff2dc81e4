import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { estimatedCompletionOf, type Snapshot } from '../../src/tasks/snapshot.ts';
import { startTask } from '../../src/tasks/start.ts';
import { pauseTask, resumeTask } from '../../src/tasks/steer.ts';
import { countChunk, markRunning, readTask } from '../../src/tasks/store.ts';
import { openTestEngine } from '../support/engine.ts';
import { createProbe } from '../support/probe.ts';

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
  expect(await count(10, 2)).toMatchObject({ ratePerSecond: expect.closeTo(5, 1) });
  const later = await count(30, 2);
  expect(later.ratePerSecond).toBeCloseTo(10.5, 0);
  const secondsLeft = ((estimatedCompletionOf(later)?.getTime() ?? 0) - later.updatedAt.getTime()) / 1000;
  expect(secondsLeft).toBeCloseTo(960 / (later.ratePerSecond ?? 1), 1);
  // What is a minute old is forgotten.
  expect((await count(120, 60)).ratePerSecond).toBeCloseTo(2, 0);
});

test('there is no rate and no estimate before a second has been measured', async () => {
  const { count } = await openTask(1_000);
  const early = await count(10, 0.2);
  expect([early.ratePerSecond, estimatedCompletionOf(early)]).toEqual([null, null]);
});

test('a pause tells neither, and does not count as time', async () => {
  const { engine, of, count } = await openTask(1_000);
  const before = await count(20, 2);
  const paused = await pauseTask(engine, of);
  expect([paused.ratePerSecond, estimatedCompletionOf(paused)]).toEqual([null, null]);
  await sql`update tasks set version = version + 1, rate_at = rate_at - interval '1 hour' where id = ${of.id}`.execute(
    engine.db,
  );
  expect((await resumeTask(engine, of)).ratePerSecond).toBeCloseTo(before.ratePerSecond ?? 0, 5);
});

test('a task that has ended tells its average', async () => {
  const { count } = await openTask(10);
  const end = await count(10, 5);
  const seconds = ((end.completedAt?.getTime() ?? 0) - (end.startedAt?.getTime() ?? 0)) / 1000;
  expect(end.state).toBe('SUCCEEDED');
  expect(end.ratePerSecond).toBeCloseTo(10 / seconds, 5);
  expect(estimatedCompletionOf(end)).toBeNull();
});
