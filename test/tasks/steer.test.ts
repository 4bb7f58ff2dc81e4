import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import { inHandLock } from '../../src/tasks/chunks.ts';
import { listFailures } from '../../src/tasks/failures.ts';
import { listEvents, phasesOf } from '../../src/tasks/history.ts';
import { startTask } from '../../src/tasks/start.ts';
import { isFinal } from '../../src/tasks/state.ts';
import { cancelTask, cancelTasks, pauseTask, resumeTask, settleCanceling } from '../../src/tasks/steer.ts';
import { readTask, readTasks } from '../../src/tasks/store.ts';
import { startWorker } from '../../src/worker.ts';
import { age } from '../support/ended-tasks.ts';
import { openTestEngine, type TestEngine } from '../support/engine.ts';
import { createProbe, type ProbeItem } from '../support/probe.ts';
import { createRandom } from '../support/random.ts';
import { waitFor } from '../support/wait.ts';

const say = (...words: ProbeItem['say'][]): ProbeItem[] => words.map((word) => ({ say: word }));
const actor = 'app_of_tests';

async function openEngine() {
  const probe = createProbe({ chunkSize: 1 });
  const abandoned: string[] = [];
  const abandon = async ({ taskId }: { taskId: string }) => void abandoned.push(taskId);
  const engine = await openTestEngine([
    { ...probe.operation, abandon },
    { ...probe.operation, name: 'in_turn', oneByOne: true },
  ]);
  return { engine, probe, abandoned };
}

async function start(engine: TestEngine, items: ProbeItem[], name = 'probe'): Promise<string> {
  const operation = engine.operations.get(name);
  if (operation === undefined) throw new Error(`no ${name}`);
  const { projectId } = engine;
  return (await startTask(engine, { operation, input: { items }, projectId, requestId: 'v-test' })).id;
}

const work = (engine: TestEngine) => startWorker({ engine, log: engine.log, config: { BULKCAST_WORKER_SLOTS: 2 } });
const of = (engine: TestEngine, id: string) => ({ id, projectId: engine.projectId, actor });

const range = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, index) => first + index);

async function timelineOf(engine: TestEngine, id: string) {
  const task = await readTask(engine.db, id);
  const events = task ? await listEvents(engine.db, task) : [];
  return events.map(({ state, actor: by, reason }) => [state, by, reason]);
}

describe('cancel', () => {
  test('of many stops at its limit, the oldest first', async () => {
    const { engine } = await openEngine();
    const ids: string[] = [];
    for (let task = 0; task < 5; task += 1) ids.push(await start(engine, say('ok')));
    const { projectId } = engine;
    expect(await cancelTasks(engine, { states: ['QUEUED'] }, { projectId, actor }, 3)).toBe(3);
    const states = async () => (await readTasks(engine.db, ids)).map(({ id, state }) => `${ids.indexOf(id)} ${state}`);
    expect((await states()).sort()).toEqual(['0 CANCELED', '1 CANCELED', '2 CANCELED', '3 QUEUED', '4 QUEUED']);
    expect(await cancelTasks(engine, { states: ['QUEUED'] }, { projectId, actor }, 3)).toBe(2);
  });

  test('lets chunks in hand end, begins no other, and keeps what was applied', async () => {
    const { engine, probe, abandoned } = await openEngine();
    const id = await start(engine, [...say('ok', 'refuse', 'hang'), ...say(...Array<'ok'>(200).fill('ok'))]);
    await work(engine);
    await probe.hanging;
    const canceling = await cancelTask(engine, { ...of(engine, id), reason: 'wrong file' });
    expect(canceling).toMatchObject({
      state: 'CANCELING',
      changedBy: actor,
      changeReason: 'wrong file',
      completedAt: null,
    });
    expect(await settleCanceling(engine, id)).toBeUndefined();
    probe.release();
    const end = await engine.ended(id);
    expect(end).toMatchObject({
      state: 'CANCELED',
      changedBy: actor,
      changeReason: 'wrong file',
      failed: 1,
      error: null,
    });
    expect(end.processed).toBeLessThan(203);
    const effects = await engine.effects(id);
    expect(effects).toContain(3);
    expect(effects).toHaveLength(end.succeeded);
    expect(await listFailures(engine.db, id, { afterRow: 0, limit: 9 })).toMatchObject([{ row: 2 }]);
    expect(abandoned).toEqual([id]);
    expect(await timelineOf(engine, id)).toEqual([
      ['QUEUED', null, null],
      ['RUNNING', null, null],
      ['CANCELING', actor, 'wrong file'],
      ['CANCELED', null, null],
    ]);
    expect(engine.published.at(-1)).toMatchObject({ state: 'CANCELED' });
  });

  test('ends a task that has not begun, or is paused, at once; and changes nothing when it is asked again', async () => {
    const { engine } = await openEngine();
    const [queued, paused] = [await start(engine, say('ok')), await start(engine, say('ok'))];
    await pauseTask(engine, of(engine, paused));
    for (const id of [queued, paused]) {
      const canceled = await cancelTask(engine, of(engine, id));
      expect(canceled).toMatchObject({ state: 'CANCELED', processed: 0 });
      expect(await cancelTask(engine, of(engine, id))).toEqual(canceled);
    }
    expect(await engine.db.selectFrom('turns').selectAll().execute()).toEqual([]);
  });

  test('is ended by a worker when nobody else does, also one that ran out of tries meanwhile', async () => {
    const { engine } = await openEngine();
    const id = await start(engine, say('throw', 'throw'));
    await sql`update tasks set state = 'CANCELING', version = version + 1 where id = ${id}`.execute(engine.db);
    await work(engine);
    expect(await engine.ended(id)).toMatchObject({ state: 'CANCELED', processed: 0 });
  });

  test('is ended by a worker when who has it in hand dies before it is', async () => {
    const { engine } = await openEngine();
    const id = await start(engine, say('ok'));
    const dying = await engine.db.startTransaction().execute();
    await sql`select pg_advisory_xact_lock(hashtextextended(${id}, ${inHandLock}))`.execute(dying);
    expect(await cancelTask(engine, of(engine, id))).toMatchObject({ state: 'CANCELING' });
    await work(engine);
    const isTriedAgain = async () => {
      const { rows } = await sql`select from pgboss.job where name = 'chunks' and state = 'retry'`.execute(engine.db);
      return rows.length > 0;
    };
    await waitFor(isTriedAgain, { message: 'a worker has tried to end it' });
    await dying.rollback().execute();
    expect(await engine.ended(id)).toMatchObject({ state: 'CANCELED' });
  });

  test('lets the next task of a kind that runs one by one begin', async () => {
    const { engine, probe } = await openEngine();
    const first = await start(engine, say('hang', 'ok'), 'in_turn');
    const second = await start(engine, say('ok'), 'in_turn');
    await work(engine);
    await probe.hanging;
    expect(await cancelTask(engine, of(engine, first))).toMatchObject({ state: 'CANCELING' });
    expect(await readTask(engine.db, second)).toMatchObject({ state: 'QUEUED' });
    probe.release();
    expect(await engine.ended(second)).toMatchObject({ state: 'SUCCEEDED' });
    expect(await readTask(engine.db, first)).toMatchObject({ state: 'CANCELED', processed: 1 });
  });

  test('comes too late for a task that has ended, and finds no other project’s', async () => {
    const { engine } = await openEngine();
    const id = await start(engine, []);
    await expect(cancelTask(engine, of(engine, id))).rejects.toMatchObject({ issues: [{ code: 'TASK_ENDED' }] });
    const stranger = { id, projectId: '00000000-0000-4000-8000-000000000000', actor };
    await expect(pauseTask(engine, stranger)).rejects.toMatchObject({ issues: [{ code: 'NOT_FOUND' }] });
  });
});

describe('pause', () => {
  test('lets chunks in hand end and begins no other until resume', async () => {
    const { engine, probe } = await openEngine();
    const id = await start(engine, [...say('hang'), ...say(...Array<'ok'>(300).fill('ok'))]);
    await work(engine);
    await probe.hanging;
    expect(await pauseTask(engine, of(engine, id))).toMatchObject({ state: 'PAUSED', changedBy: actor });
    probe.release();
    // A task that comes after it runs to its end while the paused one stands.
    const other = await start(engine, say(...Array<'ok'>(100).fill('ok')));
    expect(await engine.ended(other)).toMatchObject({ state: 'SUCCEEDED' });
    const { processed } = (await readTask(engine.db, id)) ?? {};
    expect(processed).toBeLessThan(200);
    expect(await readTask(engine.db, id)).toMatchObject({ state: 'PAUSED', rate: null });
    expect(await resumeTask(engine, of(engine, id))).toMatchObject({ state: 'RUNNING' });
    expect(await engine.ended(id)).toMatchObject({ state: 'SUCCEEDED', succeeded: 301 });
    expect(await engine.effects(id)).toHaveLength(301);
    expect((await timelineOf(engine, id)).map(([state]) => state)).toEqual([
      'QUEUED',
      'RUNNING',
      'PAUSED',
      'RUNNING',
      'SUCCEEDED',
    ]);
  });

  test('before the start goes back to QUEUED', async () => {
    const { engine } = await openEngine();
    const id = await start(engine, say('ok'));
    await pauseTask(engine, of(engine, id));
    expect(await resumeTask(engine, of(engine, id))).toMatchObject({ state: 'QUEUED', startedAt: null });
    await work(engine);
    expect(await engine.ended(id)).toMatchObject({ state: 'SUCCEEDED', succeeded: 1 });
  });
});

test('the timeline of a task that was paused time and again tells its beginning and its end', async () => {
  const { engine } = await openEngine();
  const id = await start(engine, say('ok'));
  await sql`
    do $$ begin for round in 1..600 loop
      update tasks set state = 'PAUSED', version = version + 1;
      update tasks set state = 'QUEUED', version = version + 1;
    end loop; end $$`.execute(engine.db);
  const canceled = await cancelTask(engine, of(engine, id));
  const events = await listEvents(engine.db, canceled);
  expect(events.map(({ version }) => version)).toEqual([...range(1, 500), ...range(704, 1_203)]);
  expect(events.at(-1)?.state).toBe('CANCELED');
  expect(phasesOf(canceled, events).map(({ name }) => name)).toEqual(['STAGING', 'FINISHING']);
});

test('a database clock that was set back by a day holds up neither a task nor its owner', async () => {
  const { engine } = await openEngine();
  const id = await start(engine, say('ok', 'refuse', 'ok'));
  await age(engine.db, id, -1);
  expect(await pauseTask(engine, of(engine, id))).toMatchObject({ state: 'PAUSED' });
  expect(await resumeTask(engine, of(engine, id))).toMatchObject({ state: 'QUEUED' });
  const canceled = await start(engine, say('ok'));
  await age(engine.db, canceled, -1);
  expect(await cancelTask(engine, of(engine, canceled))).toMatchObject({ state: 'CANCELED' });
  await work(engine);
  const ended = await engine.ended(id);
  expect(ended).toMatchObject({ state: 'SUCCEEDED', succeeded: 2, failed: 1 });
  const { createdAt, startedAt, updatedAt, completedAt } = ended;
  const times = [createdAt, startedAt, updatedAt, completedAt].map((at) => at?.getTime() ?? 0);
  expect(times).toEqual([...times].sort());
});

const legal: Readonly<Record<string, readonly string[]>> = {
  QUEUED: ['RUNNING', 'PAUSED', 'CANCELING'],
  RUNNING: ['PAUSED', 'CANCELING', 'SUCCEEDED'],
  PAUSED: ['QUEUED', 'RUNNING', 'CANCELING', 'SUCCEEDED'],
  CANCELING: ['CANCELED', 'SUCCEEDED'],
};

test('whatever is asked at the same time, each step is legal and each item is applied once', {
  timeout: 120_000,
}, async () => {
  const { engine } = await openEngine();
  await work(engine);
  const seed = Number(process.env.SEED ?? Date.now() % 100_000);
  const random = createRandom(seed);
  const ids: string[] = [];
  for (let index = 0; index < 12; index += 1) {
    const words = Array.from(
      { length: 30 + Math.floor(random() * 120) },
      () => (random() < 0.1 ? 'refuse' : 'ok') as 'ok',
    );
    ids.push(await start(engine, say(...words), random() < 0.3 ? 'in_turn' : 'probe'));
  }
  const steps = [pauseTask, pauseTask, resumeTask, resumeTask, resumeTask, cancelTask];
  const callers = Array.from({ length: 4 }, async () => {
    for (let call = 0; call < 40; call += 1) {
      const id = ids[Math.floor(random() * ids.length)] ?? '';
      const step = steps[Math.floor(random() * (call < 20 ? 5 : 6))] ?? resumeTask;
      await step(engine, of(engine, id)).catch((error: unknown) => {
        expect(error, `seed ${seed}`).toMatchObject({ code: 'BAD_USER_INPUT' });
      });
    }
  });
  await Promise.all(callers);
  for (const id of ids) await resumeTask(engine, of(engine, id)).catch(() => undefined);
  for (const id of ids) {
    const end = await engine.ended(id);
    expect(isFinal(end.state)).toBe(true);
    const effects = await engine.effects(id);
    expect(effects, `seed ${seed}`).toEqual([...new Set(effects)]);
    expect(effects).toHaveLength(end.succeeded);
    expect(await listFailures(engine.db, id, { afterRow: 0, limit: 500 })).toHaveLength(end.failed);
    const states = (await timelineOf(engine, id)).map(([state]) => String(state));
    states.slice(1).forEach((state, index) => {
      expect(legal[states[index] ?? ''], `seed ${seed}: ${states.join(' → ')}`).toContain(state);
    });
    expect(states.at(-1)).toBe(end.state);
  }
  await expect.poll(() => engine.db.selectFrom('turns').selectAll().execute(), { timeout: 10_000 }).toEqual([]);
});
