import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { createProject, makeUpCredentials } from '../../src/auth/projects.ts';
import type { Snapshot } from '../../src/tasks/snapshot.ts';
import { startTask } from '../../src/tasks/start.ts';
import { readTask } from '../../src/tasks/store.ts';
import { startWorker } from '../../src/worker.ts';
import { openTestEngine, type TestEngine } from '../support/engine.ts';
import { createProbe, type ProbeItem } from '../support/probe.ts';

const say = (...words: ProbeItem['say'][]): ProbeItem[] => words.map((word) => ({ say: word }));

async function openEngine() {
  const probe = createProbe({ chunkSize: 1 });
  const inTurn = { ...probe.operation, name: 'in_turn', oneByOne: true };
  const engine = await openTestEngine([inTurn, createProbe().operation]);
  return { probe, engine };
}

async function start(engine: TestEngine, name: string, items: ProbeItem[], projectId = engine.projectId) {
  const operation = engine.operations.get(name);
  if (operation === undefined) throw new Error(`no operation ${name}`);
  return startTask(engine, { operation, input: { items }, projectId, requestId: 'v-test' });
}

const work = (engine: TestEngine) => startWorker({ engine, log: engine.log, config: { BULKCAST_WORKER_SLOTS: 2 } });

function expectAfter(later: Snapshot | undefined, earlier: Snapshot | undefined): void {
  expect(later?.startedAt?.getTime()).toBeGreaterThanOrEqual(earlier?.completedAt?.getTime() ?? Number.NaN);
}

test('tasks of one project run one after another, in the order of their starts, and hold up nobody else', async () => {
  const { probe, engine } = await openEngine();
  const first = await start(engine, 'in_turn', say('ok', 'hang', 'ok'));
  const second = await start(engine, 'in_turn', say('ok', 'refuse'));
  const third = await start(engine, 'in_turn', say('ok'));
  await work(engine);
  await probe.hanging;
  const otherProject = await createProject(engine.db, 'Other project', makeUpCredentials());
  const others = [await start(engine, 'in_turn', say('ok'), otherProject), await start(engine, 'probe', say('ok'))];
  const otherKind = await engine.ended(others[1]?.id ?? '');
  expect(otherKind.state).toBe('SUCCEEDED');
  for (const { id } of [second, third]) {
    expect(await readTask(engine.db, id)).toMatchObject({ state: 'QUEUED', version: 1 });
  }

  probe.release();
  const ends = await Promise.all([first, second, third].map(({ id }) => engine.ended(id)));
  expect(ends.map(({ state, succeeded, failed }) => [state, succeeded, failed])).toEqual([
    ['SUCCEEDED', 3, 0],
    ['SUCCEEDED', 1, 1],
    ['SUCCEEDED', 1, 0],
  ]);
  const [one, two, three] = ends;
  expectAfter(two, one);
  expectAfter(three, two);
  expect(await engine.ended(others[0]?.id ?? '')).toMatchObject({ state: 'SUCCEEDED' });
});

test('one that cannot be carried out ends as FAILED, with the chunk at fault, and lets the next one run', async () => {
  const { engine } = await openEngine();
  await sql`update pgboss.queue set retry_limit = 0 where name = 'chunks'`.execute(engine.db);
  const bad = await start(engine, 'in_turn', say('ok', 'throw', 'ok'));
  const good = await start(engine, 'in_turn', say('ok'));
  await work(engine);
  const end = await engine.ended(bad.id);
  expect(end).toMatchObject({ state: 'FAILED', processed: 1 });
  expect(end.error).toContain(`${bad.id}/1`);
  const next = await engine.ended(good.id);
  expect(next.state).toBe('SUCCEEDED');
  expectAfter(next, end);
});

test('one that has failed and waits to be tried again still goes first', async () => {
  const { probe, engine } = await openEngine();
  const first = await start(engine, 'in_turn', say('ok', 'throw'));
  const second = await start(engine, 'in_turn', say('ok'));
  await work(engine);
  await expect.poll(async () => (await readTask(engine.db, first.id))?.processed, { timeout: 10_000 }).toBe(1);
  probe.mend();
  const [one, two] = [await engine.ended(first.id), await engine.ended(second.id)];
  expect([one.state, two.state]).toEqual(['SUCCEEDED', 'SUCCEEDED']);
  expect(await engine.effects(first.id)).toEqual([1, 2]);
  expectAfter(two, one);
});
