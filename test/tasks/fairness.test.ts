import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { createProject, makeUpCredentials } from '../../src/auth/projects.ts';
import { startTask } from '../../src/tasks/start.ts';
import type { TaskPriority } from '../../src/tasks/state.ts';
import { readTask } from '../../src/tasks/store.ts';
import { startWorker } from '../../src/worker.ts';
import { ask } from '../graphql/client.ts';
import { openTestEngine, type TestEngine } from '../support/engine.ts';
import { startTestApp, type TestApp, type TestProject } from '../support/gateway.ts';
import { createProbe, type ProbeItem } from '../support/probe.ts';

/** An engine whose chunks of one item note, in the order of their commits, whose they were. */
async function openEngine() {
  const engine = await openTestEngine([createProbe({ chunkSize: 1 }).operation]);
  await sql`alter table probe_effects add column position serial`.execute(engine.db);
  const other = await createProject(engine.db, 'Other project', makeUpCredentials());
  return { engine, other };
}

async function start(
  engine: TestEngine,
  chunks: number,
  options: { projectId?: string; priority?: TaskPriority; say?: ProbeItem['say'] } = {},
) {
  const operation = engine.operations.get('probe');
  if (operation === undefined) throw new Error('no probe');
  const input = { items: Array.from({ length: chunks }, () => ({ say: options.say ?? 'ok' })) };
  const { projectId = engine.projectId, priority } = options;
  return (await startTask(engine, { operation, input, projectId, priority, requestId: 'v-test' })).id;
}

const work = (engine: TestEngine) => startWorker({ engine, log: engine.log, config: { BULKCAST_WORKER_SLOTS: 1 } });

/** Where, among all chunks that were applied, those of these tasks came. */
async function positionsOf(engine: TestEngine, ...ids: string[]): Promise<number[]> {
  const { rows } = await sql<{ position: number }>`
    select position from probe_effects where task_id = any(${ids}) order by position`.execute(engine.db);
  return rows.map(({ position }) => position);
}

test('two projects get every other chunk, however long one has been in line and however many tasks it has', async () => {
  const { engine, other } = await openEngine();
  const many = [await start(engine, 150)];
  for (let index = 0; index < 80; index += 1) many.push(await start(engine, 1));
  const late = await start(engine, 40, { projectId: other });
  await work(engine);
  await engine.ended(late);
  const positions = await positionsOf(engine, late);
  expect(positions).toHaveLength(40);
  expect(positions.at(-1)).toBeLessThanOrEqual(82);
  for (const id of many) expect(await engine.ended(id)).toMatchObject({ state: 'SUCCEEDED' });
  expect(await positionsOf(engine, ...many)).toHaveLength(230);
  expect(await engine.db.selectFrom('turns').selectAll().execute()).toEqual([]);
});

test('within a project a small task overtakes a large one', async () => {
  const { engine } = await openEngine();
  const large = await start(engine, 300);
  const small = await start(engine, 3);
  await work(engine);
  await engine.ended(large);
  expect((await positionsOf(engine, small)).at(-1)).toBeLessThan(100);
});

test('within a project a small task waits for about a second of what was there before, however slow its chunks are', async () => {
  const { engine } = await openEngine();
  const large = await start(engine, 60, { say: 'slow' });
  await work(engine);
  await expect.poll(async () => (await readTask(engine.db, large))?.processed, { timeout: 15_000 }).toBe(5);
  const small = await start(engine, 1);
  await engine.ended(small);
  expect((await positionsOf(engine, small)).at(-1)).toBeLessThan(15);
});

test('within a project a higher priority goes first, and takes no turn of another project', async () => {
  const { engine, other } = await openEngine();
  const normal = await start(engine, 200);
  const low = await start(engine, 5, { priority: 'LOW' });
  const high = await start(engine, 100, { priority: 'HIGH' });
  const others = await start(engine, 60, { projectId: other });
  await work(engine);
  for (const id of [normal, low, high, others]) await engine.ended(id);
  expect((await positionsOf(engine, others)).at(-1)).toBeLessThanOrEqual(122);
  expect((await positionsOf(engine, low))[0]).toBeGreaterThan((await positionsOf(engine, normal)).at(-1) ?? 0);
  // The chunks of the other task that were in the queue already come first.
  expect((await positionsOf(engine, high)).at(-1)).toBeLessThan((await positionsOf(engine, normal))[70] ?? 0);
});

test('a chunk that waits to be tried again neither holds the others up nor lends its old turn to another project', async () => {
  const { engine, other } = await openEngine();
  const operation = engine.operations.get('probe');
  if (operation === undefined) throw new Error('no probe');
  const items = [{ say: 'throw' }, ...Array.from({ length: 200 }, () => ({ say: 'ok' })), { say: 'throw' }];
  const stuck = await startTask(engine, {
    operation,
    input: { items },
    projectId: engine.projectId,
    requestId: 'v-test',
  });
  await work(engine);
  await expect.poll(async () => (await readTask(engine.db, stuck.id))?.processed, { timeout: 15_000 }).toBe(200);
  await start(engine, 1, { projectId: other });
  const { rows } = await sql<{ turn: number }>`select turn from turns where project_id = ${other}`.execute(engine.db);
  expect(rows[0]?.turn).toBeGreaterThan(100);
});

test('chunks that wait to be tried again take no place from the others of their project', async () => {
  const { engine } = await openEngine();
  const operation = engine.operations.get('probe');
  if (operation === undefined) throw new Error('no probe');
  const items = Array.from({ length: 40 }, (_, index) => ({ say: index < 15 ? 'throw' : 'ok' }));
  const { projectId } = engine;
  const { id } = await startTask(engine, { operation, input: { items }, projectId, requestId: 'v-test' });
  await work(engine);
  await expect.poll(async () => (await readTask(engine.db, id))?.processed, { timeout: 15_000 }).toBe(25);
});

test('100 cards of one project are issued within 2 s while another issues 1,000,000', { timeout: 60_000 }, async () => {
  const app = await startTestApp();
  const large = await issue(app, app.project, 1_000_000);
  await expect.poll(async () => (await readTask(app.app.db, large))?.processed, { timeout: 10_000 }).toBeGreaterThan(0);
  const other = await app.createProject();
  const small = await issue(app, other, 100);
  await expect.poll(async () => (await readTask(app.app.db, small))?.state, { timeout: 2_000 }).toBe('SUCCEEDED');
  expect(await readTask(app.app.db, large)).toMatchObject({ state: 'RUNNING' });
});

test('a task says that it waits for the other tasks of its project', async () => {
  const app = await startTestApp({ role: 'gateway' });
  const first = await issue(app, app.project, 700_000, 'HIGH');
  const second = await issue(app, app.project, 100);
  const query = 'query ($id: ID!) { bulkTask(id: $id) { ... on TaskProgress { waitingReason } } }';
  const reasonOf = async (id: string) => (await ask<{ bulkTask: object }>(app, query, { id })).data.bulkTask;
  expect(await reasonOf(first)).toEqual({ waitingReason: 'Waiting for a free worker' });
  expect(await reasonOf(second)).toEqual({ waitingReason: "Waiting for its turn among the project's other tasks" });
});

async function issue(app: TestApp, project: TestProject, count: number, priority = 'NORMAL'): Promise<string> {
  const query = `mutation ($input: IssueGiftCardsInput!, $priority: TaskPriority) {
    issueGiftCards(input: $input, priority: $priority) { task { id } userErrors { message } } }`;
  const variables = { input: { programId: project.programId, initialValue: '5.00', count }, priority };
  const response = await fetch(`${app.url}/graphql`, {
    method: 'POST',
    headers: { ...project.headers, 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  const body = (await response.json()) as { data: { issueGiftCards: { task: { id: string } } } };
  return body.data.issueGiftCards.task.id;
}
