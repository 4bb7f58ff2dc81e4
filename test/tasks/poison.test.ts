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

async function open(chunkSize: number) {
  const probe = createProbe({ chunkSize });
  const lines: string[] = [];
  const write = (event: string, fields: object = {}) => {
    const show = (_key: string, value: unknown) =>
      value instanceof Error ? { message: value.message, stack: value.stack, cause: value.cause } : value;
    lines.push(`${event} ${JSON.stringify(fields, show)}`);
  };
  const opened = await openTestEngine([probe.operation]);
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
  const poison = { 3: 'mistake', 77: 'bad value', 78: 'bad value', 200: 'mistake', 250: 'refuse' } as const;
  const id = await start(engine, items(250, poison));
  await work(engine);
  expect(await engine.ended(id)).toMatchObject({ state: 'SUCCEEDED', succeeded: 245, failed: 5 });
  const failures = await listFailures(engine.db, id, { afterRow: 0, limit: 10 });
  expect(failures.map(({ row, code }) => [row, code])).toEqual([
    [3, 'INTERNAL_ERROR'],
    [77, 'INTERNAL_ERROR'],
    [78, 'INTERNAL_ERROR'],
    [200, 'INTERNAL_ERROR'],
    [250, 'REFUSED'],
  ]);
  const effects = await engine.effects(id);
  expect(effects).toEqual([...new Set(effects)]);
  expect(effects).toHaveLength(245);
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

test('what nobody can tell is tried 20 times, then ends the task', async () => {
  const { engine } = await open(10);
  const id = await start(engine, items(10, { 5: 'throw' }));
  await expect(runChunk(engine, { taskId: id, chunk: 0 }, 19)).rejects.toThrow('an item said throw');
  await runChunk(engine, { taskId: id, chunk: 0 }, 20);
  expect(await readTask(engine.db, id)).toMatchObject({ state: 'FAILED', processed: 0 });
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
