import { describe, expect, test } from 'vitest';
import { listFailures } from '../../src/tasks/failures.ts';
import { giveUpChunk, runChunk } from '../../src/tasks/run.ts';
import { startTask } from '../../src/tasks/start.ts';
import { readTask } from '../../src/tasks/store.ts';
import { startWorker } from '../../src/worker.ts';
import { openTestEngine, type TestEngine } from '../support/engine.ts';
import { createProbe, type ProbeItem } from '../support/probe.ts';

const say = (...words: ProbeItem['say'][]): ProbeItem[] =>
  words.map((word, index) => ({ say: word, name: `n${index}` }));

async function start(engine: TestEngine, items: ProbeItem[], idempotencyKey?: string) {
  const operation = engine.operations.get('probe');
  if (operation === undefined) throw new Error('no probe');
  return startTask(engine, {
    operation,
    input: { items },
    projectId: engine.projectId,
    requestId: 'v-test',
    idempotencyKey,
  });
}

const startWorking = (engine: TestEngine) =>
  startWorker({ engine, log: engine.log, config: { BULKCAST_WORKER_SLOTS: 2 } });

describe('a task', () => {
  test('applies every item once, tells why others were refused, and ends with exact counters', async () => {
    const engine = await openTestEngine([createProbe().operation]);
    await startWorking(engine);
    const task = await start(engine, say('ok', 'ok', 'refuse', 'ok', 'refuse', 'ok', 'ok'));
    expect(task).toMatchObject({ state: 'QUEUED', version: 1, total: 7, processed: 0, completedAt: null });

    const end = await engine.ended(task.id);
    expect(end).toMatchObject({ state: 'SUCCEEDED', total: 7, processed: 7, succeeded: 5, failed: 2, error: null });
    expect(end.completedAt).not.toBeNull();
    expect(await engine.effects(task.id)).toEqual([1, 2, 4, 6, 7]);
    expect(await listFailures(engine.db, task.id, { afterRow: 0, limit: 10 })).toEqual([
      { row: 3, key: 'n2', code: 'REFUSED', message: 'row 3 said so' },
      { row: 5, key: 'n4', code: 'REFUSED', message: 'row 5 said so' },
    ]);
  });

  test('publishes each version once, after it is committed', async () => {
    const engine = await openTestEngine([createProbe({ chunkSize: 1 }).operation]);
    await startWorking(engine);
    const { id } = await start(engine, say('ok', 'ok', 'ok'));
    await engine.ended(id);
    await expect.poll(() => engine.published.length).toBe(5);
    const versions = engine.published.map((snapshot) => snapshot.version).sort();
    expect(versions).toEqual([1, 2, 3, 4, 5]);
  });

  test('without items has succeeded at once', async () => {
    const engine = await openTestEngine([createProbe().operation]);
    expect(await start(engine, [])).toMatchObject({ state: 'SUCCEEDED', total: 0, version: 1 });
  });

  test('that cannot be planned leaves nothing behind', async () => {
    const probe = createProbe({ chunkSize: 1 });
    const broken = {
      ...probe.operation,
      plan: async () => ({
        parameters: {},
        items: (function* () {
          yield { say: 'ok' as const };
          throw new Error('the file ends here');
        })(),
      }),
    };
    const engine = await openTestEngine([broken]);
    await expect(start(engine, [])).rejects.toThrow('the file ends here');
    for (const table of ['tasks', 'chunks'] as const) {
      expect(await engine.db.selectFrom(table).selectAll().execute()).toEqual([]);
    }
  });
});

describe('a chunk', () => {
  test('that throws is rolled back whole, and applied when it is tried again', async () => {
    const probe = createProbe();
    const engine = await openTestEngine([probe.operation]);
    const { id } = await start(engine, say('ok', 'refuse', 'throw'));
    await expect(runChunk(engine, { taskId: id, chunk: 0 })).rejects.toThrow('an item said throw');
    expect(await engine.effects(id)).toEqual([]);
    expect(await listFailures(engine.db, id, { afterRow: 0, limit: 10 })).toEqual([]);
    expect(await readTask(engine.db, id)).toMatchObject({ state: 'RUNNING', processed: 0 });

    probe.mend();
    await runChunk(engine, { taskId: id, chunk: 0 });
    expect(await engine.effects(id)).toEqual([1, 3]);
    expect(await readTask(engine.db, id)).toMatchObject({ state: 'SUCCEEDED', succeeded: 2, failed: 1 });
  });

  test('is applied once when two workers have the same job at the same time', async () => {
    const probe = createProbe();
    const engine = await openTestEngine([probe.operation]);
    const { id } = await start(engine, say('ok', 'hang', 'ok', 'ok'));
    const first = runChunk(engine, { taskId: id, chunk: 0 });
    await probe.hanging;
    const second = runChunk(engine, { taskId: id, chunk: 0 });
    probe.release();
    await Promise.all([first, second]);
    expect(await engine.effects(id)).toEqual([1, 2, 3]);
    expect(await readTask(engine.db, id)).toMatchObject({ processed: 3, state: 'RUNNING' });
  });

  test('is not applied again by a job that comes twice, nor after the task has ended', async () => {
    const engine = await openTestEngine([createProbe().operation]);
    const { id } = await start(engine, say('ok'));
    await runChunk(engine, { taskId: id, chunk: 0 });
    await runChunk(engine, { taskId: id, chunk: 0 });
    await giveUpChunk(engine, { taskId: id, chunk: 0 });
    expect(await engine.effects(id)).toEqual([1]);
    expect(await readTask(engine.db, id)).toMatchObject({ state: 'SUCCEEDED', version: 3 });
  });

  test('that never works ends its task as FAILED, with a reference and without the reason', async () => {
    const engine = await openTestEngine([createProbe().operation]);
    const { id } = await start(engine, say('throw'));
    await expect(runChunk(engine, { taskId: id, chunk: 0 })).rejects.toThrow();
    await giveUpChunk(engine, { taskId: id, chunk: 0 });
    const task = await readTask(engine.db, id);
    expect(task).toMatchObject({ state: 'FAILED', processed: 0 });
    expect(task?.error).toContain(`${id}/0`);
    expect(task?.error).not.toContain('an item said throw');
    expect(engine.published.at(-1)).toMatchObject({ state: 'FAILED' });
  });
});

describe('an operation', () => {
  test('is told of the end once, in the transaction that brings it', async () => {
    const told: string[] = [];
    const operation = {
      ...createProbe({ chunkSize: 1 }).operation,
      finish: async ({ taskId }: { taskId: string }) => void told.push(`finish ${taskId}`),
      abandon: async ({ taskId }: { taskId: string }) => void told.push(`abandon ${taskId}`),
    };
    const engine = await openTestEngine([operation]);
    const good = await start(engine, say('ok', 'refuse'));
    await runChunk(engine, { taskId: good.id, chunk: 0 });
    expect(told).toEqual([]);
    await runChunk(engine, { taskId: good.id, chunk: 1 });
    const bad = await start(engine, say('throw'));
    await giveUpChunk(engine, { taskId: bad.id, chunk: 0 });
    await giveUpChunk(engine, { taskId: bad.id, chunk: 0 });
    expect(told).toEqual([`finish ${good.id}`, `abandon ${bad.id}`]);
  });
});

describe('an idempotency key', () => {
  test('gives the same task for the same request and refuses another', async () => {
    const engine = await openTestEngine([createProbe().operation]);
    const first = await start(engine, say('ok', 'ok'), 'key-1');
    expect((await start(engine, say('ok', 'ok'), 'key-1')).id).toBe(first.id);
    await expect(start(engine, say('ok'), 'key-1')).rejects.toMatchObject({ code: 'IDEMPOTENCY_KEY_REUSED' });
    expect((await start(engine, say('ok', 'ok'), 'key-2')).id).not.toBe(first.id);
    expect(await engine.db.selectFrom('tasks').select('id').execute()).toHaveLength(2);
  });

  test('is refused while the first request with it is still running', async () => {
    const probe = createProbe();
    const gate = Promise.withResolvers<void>();
    const planning = Promise.withResolvers<void>();
    const slow = {
      ...probe.operation,
      plan: async ({ items }: { items: ProbeItem[] }) => {
        planning.resolve();
        await gate.promise;
        return { parameters: {}, items };
      },
    };
    const engine = await openTestEngine([slow]);
    const first = start(engine, say('ok'), 'key');
    await planning.promise;
    await expect(start(engine, say('ok'), 'key')).rejects.toMatchObject({ code: 'IDEMPOTENCY_KEY_IN_USE' });
    gate.resolve();
    expect((await start(engine, say('ok'), 'key').catch(() => first)).id).toBe((await first).id);
  });

  test('that failed to start anything can be used again', async () => {
    const probe = createProbe();
    let fails = true;
    const moody = {
      ...probe.operation,
      plan: async ({ items }: { items: ProbeItem[] }) => {
        if (fails) throw new Error('not now');
        return { parameters: {}, items };
      },
    };
    const engine = await openTestEngine([moody]);
    await expect(start(engine, say('ok'), 'key')).rejects.toThrow('not now');
    fails = false;
    expect(await start(engine, say('ok', 'ok'), 'key')).toMatchObject({ state: 'QUEUED', total: 2 });
  });
});
