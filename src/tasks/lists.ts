import { sql } from 'kysely';
import type { Database } from '../db/client.ts';
import type { TaskRow } from '../db/tables.ts';
import { type Snapshot, toSnapshot } from './snapshot.ts';
import { taskKinds, taskModels } from './state.ts';
import type { TaskFilter } from './store.ts';

export interface TaskPosition {
  readonly createdAt: Date;
  readonly id: string;
}

/**
 * One page of the project's tasks, newest first, by keyset: after `after`, at most `limit`. Takes the newest of each group of tasks
 * that an index holds in this order, and of these the newest: a filter that hardly any task fits costs no more than another.
 */
export async function listTasks(
  db: Database,
  projectId: string,
  filter: TaskFilter,
  page: { readonly after?: TaskPosition | undefined; readonly limit: number },
): Promise<Snapshot[]> {
  const { createdBefore, createdAfter } = filter;
  const { after, limit } = page;
  const isDeep = filter.states !== undefined || filter.operations !== undefined;
  const { rows } = await sql<TaskRow>`
    with recursive ${isDeep ? leavesOf(projectId, filter) : rootsOf(filter)}
    select task.* from groups, lateral (
      select * from tasks
      where project_id = ${projectId} and model = groups.model and kind = groups.kind
        ${isDeep ? sql`and operation = groups.operation and state = groups.state` : sql``}
        ${createdBefore === undefined ? sql`` : sql`and created_at < ${createdBefore}`}
        ${createdAfter === undefined ? sql`` : sql`and created_at > ${createdAfter}`}
        ${after === undefined ? sql`` : sql`and (created_at, id) < (${after.createdAt}, ${after.id})`}
      order by created_at desc, id desc limit ${limit}
    ) as task
    order by task.created_at desc, task.id desc limit ${limit}`.execute(db);
  return rows.map(toSnapshot);
}

function rootsOf({ models, kinds }: TaskFilter) {
  return sql`groups as (
    select model, kind from unnest(${[...new Set(models ?? taskModels)]}::text[]) as model,
      unnest(${[...new Set(kinds ?? taskKinds)]}::text[]) as kind
  )`;
}

/** Those of the filter that the project has: the index is asked for one after the other, not read through. */
function leavesOf(projectId: string, { models, kinds, operations, states }: TaskFilter) {
  const among = (column: string, list: readonly string[] | undefined) =>
    list === undefined ? sql`true` : sql`${sql.ref(column)} = any(${[...list]})`;
  return sql`
    found as (
      (select model, kind, operation, state from tasks where project_id = ${projectId}
      order by model, kind, operation, state limit 1)
      union all
      select next.* from found, lateral (
        select model, kind, operation, state from tasks
        where project_id = ${projectId}
          and (model, kind, operation, state) > (found.model, found.kind, found.operation, found.state)
        order by model, kind, operation, state limit 1
      ) as next
    ), groups as (
      select * from found
      where ${among('model', models)} and ${among('kind', kinds)} and ${among('operation', operations)} and ${among('state', states)}
    )`;
}
