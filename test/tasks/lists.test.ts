import { sql } from 'kysely';
import { beforeAll, expect, test } from 'vitest';
import { createProject, makeUpCredentials } from '../../src/auth/projects.ts';
import { type Database, openDatabase } from '../../src/db/client.ts';
import { createLog } from '../../src/log.ts';
import { listTasks } from '../../src/tasks/lists.ts';
import { type Snapshot, toSnapshot } from '../../src/tasks/snapshot.ts';
import { taskKinds, taskModels, taskStates } from '../../src/tasks/state.ts';
import type { TaskFilter } from '../../src/tasks/store.ts';
import { atEndOfFile } from '../support/at-end.ts';
import { createDatabase } from '../support/database.ts';

const operations = ['gift_cards.issue', 'vouchers.import', 'orders.import', 'of an older release'];

let db: Database;
let projectId: string;
let all: Snapshot[];

beforeAll(async () => {
  const { url } = await createDatabase();
  const client = openDatabase({ url, maxConnections: 2, applicationName: 'test', log: createLog('silent') });
  atEndOfFile(() => client.stop());
  db = client.db;
  projectId = await createProject(db, 'Listed', makeUpCredentials());
  for (const project of [projectId, await createProject(db, 'Other', makeUpCredentials())]) await insertTasks(project);
  const rows = await db.selectFrom('tasks').selectAll().where('project_id', '=', projectId).execute();
  // Newest first; several were started in the same millisecond.
  all = rows.map(toSnapshot).sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime() || (a.id < b.id ? 1 : -1));
});

async function insertTasks(project: string) {
  await sql`
    insert into tasks (id, project_id, model, kind, operation, parameters, state, total, processed, succeeded, request_id, created_at, updated_at, completed_at)
    select gen_random_uuid(), ${project}, case when n % 4 = 0 then 'BULK_ISSUANCE' else 'ASYNC_ACTION' end, case when n % 7 = 0 then 'DRY_RUN' else 'RUN' end, (${operations}::text[])[1 + n % 4],
      '{}', state, 0, 0, 0, 'v-test', at, at, case when state in ('SUCCEEDED', 'FAILED', 'CANCELED') then at end
    from generate_series(1, 400) as n,
      lateral (select (${[...taskStates]}::text[])[1 + hashint4(n)::bigint % 3 + 3] as state, timestamptz '2026-01-01' + n / 3 * interval '1 minute' as at) as made`.execute(
    db,
  );
}

function fits(task: Snapshot, filter: TaskFilter): boolean {
  const { states, models, kinds, operations: names, createdBefore, createdAfter } = filter;
  return (
    (states?.includes(task.state) ?? true) &&
    (models?.includes(task.model) ?? true) &&
    (kinds?.includes(task.kind) ?? true) &&
    (names?.includes(task.operation) ?? true) &&
    (createdBefore === undefined || task.createdAt < createdBefore) &&
    (createdAfter === undefined || task.createdAt > createdAfter)
  );
}

/** Every second part of a filter is left out; a list may name the same twice. */
function someFilter(): TaskFilter {
  const some = <T>(list: readonly T[]) => Array.from({ length: 1 + Math.floor(Math.random() * 3) }, () => pick(list));
  const maybe = <T>(value: T) => (Math.random() < 0.5 ? undefined : value);
  const moment = () => new Date(Date.UTC(2026, 0, 1) + Math.floor(Math.random() * 135) * 60_000);
  return {
    states: maybe(some(taskStates)),
    models: maybe(some(taskModels)),
    kinds: maybe(some(taskKinds)),
    operations: maybe(some(operations)),
    createdBefore: maybe(moment()),
    createdAfter: maybe(moment()),
  };
}

function pick<T>(list: readonly T[]): T {
  return list[Math.floor(Math.random() * list.length)] as T;
}

test('lists page by page exactly what fits the filter, newest first, and nothing of others', {
  timeout: 60_000,
}, async () => {
  for (let round = 0; round < 60; round += 1) {
    const filter = round === 0 ? {} : someFilter();
    const limit = pick([7, 50, 1_000]);
    const listed: Snapshot[] = [];
    for (;;) {
      const page = await listTasks(db, projectId, filter, { after: listed.at(-1), limit });
      listed.push(...page);
      if (page.length < limit) break;
    }
    const wanted = all.filter((task) => fits(task, filter));
    expect([filter, listed.map(({ id }) => id)]).toEqual([filter, wanted.map(({ id }) => id)]);
  }
});
