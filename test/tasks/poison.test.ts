import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import { listFailures } from '../../src/tasks/failures.ts';
import { faultOf } from '../../src/tasks/faults.ts';
import { runChunk } from '../../src/tasks/run.ts';
import { startTask } from '../../src/tasks/start.ts';
import { readTask } from '../../src/tasks/store.ts';
import { startWorker } from '../../src/worker.ts';
import { openTestEngine, type TestEngine } from '../support/engine.ts';
import { createProbe, type ProbeItem } from '../support/probe.ts';

const secret = 'GIFT-1234-5678';

/** `count` items that say `ok`, but for these rows. */
function items(count: number, others: Readonly<Record<number, ProbeItem['say']>>): ProbeItem[] {
  return Array.from({ length: count }, (_, index) => ({ say: others[index + 1] ?? 'ok', name: secret }));
}

type Apply = ReturnType<typeof createProbe>['operation']['apply'];

async function open(chunkSize: number, around: (apply: Apply) => Apply = (apply) => apply) {
  const probe = createProbe({ chunkSize });
  const lines: string[] = [];
  const write = (event: string, fields: object = {}) => {
    const show = (_key: string, value: unknown) =>
      value instanceof Error ? { message: value.message, stack: value.stack, cause: value.cause } : value;
    lines.push(`${event} ${JSON.stringify(fields, show)}`);
  };
  const opened = await openTestEngine([{ ...probe.operation, apply: around(probe.operation.apply) }]);
  const engine = { ...opened, log: { debug: write, info: write, warn: write, error: write } };
  return { engine, probe, lines };
}

async function start(engine: TestEngine, given: ProbeItem[]): Promise<string> {
  const operation = engine.operations.get('probe');
  if (operation === undefined) throw new Error('no probe');
  const { projectId } = engine;
  return (await startTask(engine, { operation, input: { items: given }, projectId, requestId: 'v-test' })).id;
}

const work = (engine: TestEngine) => startWorker({ engine, log: engine.log, config: { BULKCAST_WORKER_SLOTS: 2 } });

test('items that throw each time become failures, all others are applied once, and no value of theirs is kept', {
  timeout: 40_000,
}, async () => {
  const { engine, lines } = await open(100);
  const poison = {
    3: 'mistake',
    7: 'throw',
    77: 'bad value',
    78: 'bad value',
    110: 'throw',
    200: 'mistake',
    250: 'refuse',
  } as const;
  const id = await start(engine, items(250, poison));
  await work(engine);
  expect(await engine.endedWithoutPauses(id)).toMatchObject({ state: 'SUCCEEDED', succeeded: 243, failed: 7 });
  const failures = await listFailures(engine.db, id, { afterRow: 0, limit: 10 });
  expect(failures.map(({ row, code }) => [row, code])).toEqual([
    [3, 'INTERNAL_ERROR'],
    [7, 'INTERNAL_ERROR'],
    [77, 'INTERNAL_ERROR'],
    [78, 'INTERNAL_ERROR'],
    [110, 'INTERNAL_ERROR'],
    [200, 'INTERNAL_ERROR'],
    [250, 'REFUSED'],
  ]);
  const effects = await engine.effects(id);
  expect(effects).toEqual([...new Set(effects)]);
  expect(effects).toHaveLength(243);
  expect(lines.filter((line) => line.startsWith('chunk.rolled_back')).length).toBeGreaterThan(0);
  for (const line of lines) expect(line).not.toContain(secret);
});

test('of an error that is tried again, the job keeps the kind and not the words', async () => {
  const { engine } = await open(10);
  await start(engine, items(1, { 1: 'throw' }));
  await work(engine);
  const readOutput = async () => {
    const { rows } = await sql<{
      output: string;
    }>`select output::text from pgboss.job where output is not null`.execute(engine.db);
    return rows[0]?.output ?? '';
  };
  await expect.poll(readOutput, { timeout: 10_000 }).toContain('probe.ts');
  expect(await readOutput()).not.toContain('an item said throw');
});

test('an item is isolated at the second try, not at the first: it may have been the moment', async () => {
  const { engine } = await open(10);
  const id = await start(engine, items(10, { 5: 'mistake' }));
  await expect(runChunk(engine, { taskId: id, chunk: 0 }, 1)).rejects.toThrow(TypeError);
  expect(await readTask(engine.db, id)).toMatchObject({ processed: 0 });
  await runChunk(engine, { taskId: id, chunk: 0 }, 2);
  expect(await readTask(engine.db, id)).toMatchObject({ state: 'SUCCEEDED', succeeded: 9, failed: 1 });
});

test('an outage is not held against the items, however often it is met', async () => {
  const { engine, probe } = await open(10);
  const id = await start(engine, items(10, { 5: 'outage' }));
  for (const tries of [1, 2, 20, 500]) {
    await expect(runChunk(engine, { taskId: id, chunk: 0 }, tries)).rejects.toMatchObject({ code: '40001' });
  }
  expect(probe.outages()).toBe(4);
  expect(await readTask(engine.db, id)).toMatchObject({ state: 'RUNNING', processed: 0 });
  probe.mend();
  await runChunk(engine, { taskId: id, chunk: 0 }, 501);
  expect(await readTask(engine.db, id)).toMatchObject({ state: 'SUCCEEDED', succeeded: 10 });
});

describe('what nobody can tell', () => {
  test('is held at the fifth try against the item that throws it by itself, and the log says why', async () => {
    const { engine, lines } = await open(10);
    const id = await start(engine, items(10, { 2: 'mistake', 5: 'throw', 6: 'throw' }));
    for (const tries of [1, 2, 4]) await expect(runChunk(engine, { taskId: id, chunk: 0 }, tries)).rejects.toThrow();
    expect(await readTask(engine.db, id)).toMatchObject({ processed: 0 });
    await runChunk(engine, { taskId: id, chunk: 0 }, 5);
    expect(await readTask(engine.db, id)).toMatchObject({ state: 'SUCCEEDED', succeeded: 7, failed: 3 });
    expect(await engine.effects(id)).toEqual([1, 3, 4, 7, 8, 9, 10]);
    const told = lines.filter((line) => line.startsWith('items.isolated')).map((line) => JSON.parse(line.slice(15)));
    expect(told.map(({ task, chunk, error }) => [task, chunk, error.message])).toContainEqual([id, 0, 'TypeError']);
    expect(told.flatMap(({ rows }) => rows).toSorted()).toEqual([2, 5, 6]);
    for (const line of lines) expect(line).not.toMatch(/an item said|GIFT/);
  });

  test('is nobody’s fault when nothing of the chunk succeeds: it is tried 20 times, then ends the task', async () => {
    let applied = 0;
    const { engine } = await open(2_000, (apply) => (chunk, context) => {
      applied += 1;
      return apply(chunk, context);
    });
    const id = await start(engine, Array(2_000).fill({ say: 'throw' }));
    for (const tries of [4, 5, 19]) {
      applied = 0;
      await expect(runChunk(engine, { taskId: id, chunk: 0 }, tries)).rejects.toThrow('an item said throw');
      expect(applied).toBeLessThan(60);
    }
    await runChunk(engine, { taskId: id, chunk: 0 }, 20);
    expect(await readTask(engine.db, id)).toMatchObject({ state: 'FAILED', processed: 0, failed: 0 });
    expect(await engine.effects(id)).toEqual([]);
  });

  test('is nobody’s fault when everything else was refused or at fault itself, until the last try', async () => {
    const { engine } = await open(4);
    const id = await start(engine, items(4, { 1: 'refuse', 2: 'throw', 3: 'mistake', 4: 'refuse' }));
    for (const tries of [5, 19]) await expect(runChunk(engine, { taskId: id, chunk: 0 }, tries)).rejects.toThrow();
    await runChunk(engine, { taskId: id, chunk: 0 }, 20);
    expect(await readTask(engine.db, id)).toMatchObject({ state: 'SUCCEEDED', succeeded: 0, failed: 4 });
  });

  test('of a last chunk that has nothing but poison does not end a task of which other chunks are done', async () => {
    const { engine } = await open(10);
    const id = await start(engine, items(11, { 11: 'throw' }));
    await runChunk(engine, { taskId: id, chunk: 0 });
    for (const tries of [5, 19]) await expect(runChunk(engine, { taskId: id, chunk: 1 }, tries)).rejects.toThrow();
    await runChunk(engine, { taskId: id, chunk: 1 }, 20);
    expect(await readTask(engine.db, id)).toMatchObject({ state: 'SUCCEEDED', succeeded: 10, failed: 1 });
  });

  test('of a whole large chunk ends the task, though other chunks are done', async () => {
    const { engine } = await open(60);
    const id = await start(engine, [...items(60, {}), ...Array(60).fill({ say: 'throw' })]);
    await runChunk(engine, { taskId: id, chunk: 0 });
    await runChunk(engine, { taskId: id, chunk: 1 }, 20);
    expect(await readTask(engine.db, id)).toMatchObject({ state: 'FAILED', succeeded: 60, failed: 0 });
  });

  test('is thrown with nothing applied when an outage comes in the middle', async () => {
    const { engine, probe } = await open(10, (apply) => async (chunk, context) => {
      if (chunk.size > 3) throw new Error('nobody can tell');
      return apply(chunk, context);
    });
    const id = await start(engine, items(10, { 5: 'throw', 9: 'outage' }));
    for (const tries of [5, 20, 500]) {
      await expect(runChunk(engine, { taskId: id, chunk: 0 }, tries)).rejects.toMatchObject({ code: '40001' });
    }
    expect(await readTask(engine.db, id)).toMatchObject({ state: 'RUNNING', processed: 0 });
    expect(await engine.effects(id)).toEqual([]);
    probe.mend();
    await runChunk(engine, { taskId: id, chunk: 0 }, 501);
    expect(await readTask(engine.db, id)).toMatchObject({ state: 'SUCCEEDED', succeeded: 10 });
  });
});

test('items of which each throws what is its own fault are all isolated, at the second try', async () => {
  const { engine } = await open(10);
  const id = await start(engine, Array(10).fill({ say: 'mistake' }));
  await runChunk(engine, { taskId: id, chunk: 0 }, 2);
  expect(await readTask(engine.db, id)).toMatchObject({ state: 'SUCCEEDED', failed: 10 });
});

describe('whose fault an error is', () => {
  const sqlError = (code: string) => Object.assign(new Error('of the database'), { code });
  test.each([
    ['ITEM', new TypeError('x')],
    ['ITEM', new RangeError('x')],
    ['ITEM', sqlError('22P02')],
    ['ITEM', sqlError('23505')],
    ['OUTAGE', sqlError('40001')],
    ['OUTAGE', sqlError('40P01')],
    ['OUTAGE', sqlError('57P01')],
    ['OUTAGE', sqlError('25006')],
    ['OUTAGE', sqlError('53100')],
    ['OUTAGE', sqlError('08006')],
    ['OUTAGE', sqlError('ECONNREFUSED')],
    ['OUTAGE', new Error('Connection terminated unexpectedly')],
    ['UNKNOWN', sqlError('42P01')],
    ['UNKNOWN', new Error('x')],
    ['UNKNOWN', 'x'],
  ])('%s: %s', (fault, error) => {
    expect(faultOf(error)).toBe(fault);
  });
});
