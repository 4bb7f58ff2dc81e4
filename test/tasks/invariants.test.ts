import { sql } from 'kysely';
import { beforeAll, expect, test } from 'vitest';
import { runChunk } from '../../src/tasks/run.ts';
import { startTask } from '../../src/tasks/start.ts';
import { openTestEngine, type TestEngine } from '../support/engine.ts';
import { createProbe } from '../support/probe.ts';

let engine: TestEngine;
const probe = createProbe({ chunkSize: 2 });

beforeAll(async () => {
  engine = await openTestEngine([probe.operation]);
});

async function startProbe(): Promise<string> {
  const items = [{ say: 'ok' }, { say: 'ok' }, { say: 'ok' }];
  const { projectId } = engine;
  return (await startTask(engine, { operation: probe.operation, input: { items }, projectId, requestId: 'v-test' })).id;
}

test.each([
  ['a counter that falls', `succeeded = 1, processed = 1`],
  ['processed that is not succeeded + failed', `processed = 3`],
  ['more processed than there are', `succeeded = 4, processed = 4`],
  ['an end that is not final', `completed_at = now()`],
  ['SUCCEEDED before everything is processed', `state = 'SUCCEEDED', completed_at = now()`],
  ['a final state without an end', `state = 'FAILED'`],
  ['a step back to QUEUED', `state = 'QUEUED'`],
  ['a state that does not exist', `state = 'DONE'`],
  ['another total', `total = 5`],
  ['another project', `project_id = gen_random_uuid()`],
  ['an error without FAILED', `error = 'x'`],
  ['a change that comes before the start', `updated_at = created_at - interval '1 s'`],
])('the database refuses %s', async (_what, change) => {
  const id = await startProbe();
  await runChunk(engine, { taskId: id, chunk: 0 });
  const update = sql`update tasks set version = version + 1, ${sql.raw(change)} where id = ${id}`;
  await expect(update.execute(engine.db)).rejects.toMatchObject({ code: expect.stringMatching(/^23/) });
});

test.each([0, 2, -1])('the database refuses a version that grows by %i', async (step) => {
  const id = await startProbe();
  const update = sql`update tasks set version = version + ${step}::integer where id = ${id}`;
  await expect(update.execute(engine.db)).rejects.toMatchObject({ code: '23514' });
});

test('the database refuses any change of a task that has ended', async () => {
  const id = await startProbe();
  await runChunk(engine, { taskId: id, chunk: 0 });
  await runChunk(engine, { taskId: id, chunk: 1 });
  const update = sql`update tasks set version = version + 1 where id = ${id}`;
  await expect(update.execute(engine.db)).rejects.toThrow('final');
});

test('the database refuses to apply a chunk again', async () => {
  const id = await startProbe();
  await runChunk(engine, { taskId: id, chunk: 0 });
  const update = sql`update chunks set applied_at = null where task_id = ${id} and number = 0`;
  await expect(update.execute(engine.db)).rejects.toThrow('applied already');
});
