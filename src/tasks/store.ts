import { type SelectQueryBuilder, sql } from 'kysely';
import type { Database, Tx } from '../db/client.ts';
import type { JsonObject, Tables, TaskRow } from '../db/tables.ts';
import { measureChunk } from './rate.ts';
import { type Snapshot, toSnapshot } from './snapshot.ts';
import { type TaskKind, type TaskModel, type TaskPriority, type TaskState, taskPriorities } from './state.ts';

/** The SQL on tasks; lists.ts, transitions.ts and unfinished.ts have more. Times are the database's; every change of a task is one version more. */

export interface NewTask {
  readonly id: string;
  readonly projectId: string;
  readonly model: TaskModel;
  readonly operation: string;
  readonly kind?: TaskKind | undefined;
  readonly parameters: JsonObject;
  readonly total: number;
  readonly requestId: string;
  readonly createdAt: Date;
  readonly priority?: TaskPriority | undefined;
  readonly parentId?: string | undefined;
  readonly startedBy?: string | undefined;
  /** Why, in the words of who started it. */
  readonly reason?: string | undefined;
}

/** The database's clock, to the millisecond. */
export async function readClock(tx: Tx): Promise<Date> {
  const { rows } = await sql<{ now: Date }>`select clock_timestamp()::timestamptz(3) as now`.execute(tx);
  const [row] = rows;
  if (row === undefined) throw new Error('the database told no time');
  return row.now;
}

/** Inserts a QUEUED task; one without items has SUCCEEDED at once. */
export async function insertTask(tx: Tx, task: NewTask): Promise<Snapshot> {
  const nothingToDo = task.total === 0;
  const now = sql<Date>`greatest(clock_timestamp(), ${task.createdAt})`;
  const row = await tx
    .insertInto('tasks')
    .values({
      id: task.id,
      project_id: task.projectId,
      model: task.model,
      operation: task.operation,
      kind: task.kind ?? 'RUN',
      parameters: JSON.stringify(task.parameters),
      state: nothingToDo ? 'SUCCEEDED' : 'QUEUED',
      total: task.total,
      request_id: task.requestId,
      created_at: task.createdAt,
      started_at: nothingToDo ? task.createdAt : null,
      updated_at: now,
      completed_at: nothingToDo ? now : null,
      error: null,
      priority: taskPriorities[task.priority ?? 'NORMAL'],
      parent_id: task.parentId ?? null,
      started_by: task.startedBy ?? null,
      changed_by: task.reason === undefined ? null : (task.startedBy ?? null),
      change_reason: task.reason ?? null,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  return toSnapshot(row);
}

/** Any project's task: for workers, never for a door. */
export async function readTask(db: Database | Tx, id: string): Promise<Snapshot | undefined> {
  const row = await db.selectFrom('tasks').selectAll().where('id', '=', id).executeTakeFirst();
  return row && toSnapshot(row);
}

/** The project's task; another project's id finds nothing, as an unknown one does. */
export async function findTask(db: Database | Tx, projectId: string, id: string): Promise<Snapshot | undefined> {
  const row = await db
    .selectFrom('tasks')
    .selectAll()
    .where('id', '=', id)
    .where('project_id', '=', projectId)
    .executeTakeFirst();
  return row && toSnapshot(row);
}

/** The tasks of these ids, whatever their project: one query for all that a gateway watches. */
export async function readTasks(db: Database, ids: readonly string[]): Promise<Snapshot[]> {
  const rows = await db
    .selectFrom('tasks')
    .selectAll()
    .where('id', '=', sql<string>`any(${ids as string[]})`)
    .execute();
  return rows.map(toSnapshot);
}

/** What changed in these projects in the last `seconds`, oldest change first. Ask for more than you need: a transaction's
 *  change shows only when it commits, later than its `updated_at`. */
export async function readRecentTasks(
  db: Database,
  projectIds: readonly string[],
  seconds: number,
): Promise<Snapshot[]> {
  const rows = await db
    .selectFrom('tasks')
    .selectAll()
    .where('project_id', '=', sql<string>`any(${projectIds as string[]}::uuid[])`)
    .where('updated_at', '>', sql<Date>`now() - make_interval(secs => ${seconds})`)
    .orderBy('updated_at')
    .execute();
  return rows.map(toSnapshot);
}

export interface TaskFilter {
  readonly states?: readonly TaskState[] | undefined;
  readonly models?: readonly TaskModel[] | undefined;
  readonly kinds?: readonly TaskKind[] | undefined;
  /** Stored names of operations. */
  readonly operations?: readonly string[] | undefined;
  readonly createdBefore?: Date | undefined;
  readonly createdAfter?: Date | undefined;
}

/** Adds what the filter asks to a query. */
export function whereFilter(
  query: SelectQueryBuilder<Tables, 'tasks', TaskRow>,
  filter: TaskFilter,
): SelectQueryBuilder<Tables, 'tasks', TaskRow> {
  let filtered = query;
  if (filter.states) filtered = filtered.where('state', 'in', filter.states);
  if (filter.models) filtered = filtered.where('model', 'in', filter.models);
  if (filter.kinds) filtered = filtered.where('kind', 'in', filter.kinds);
  if (filter.operations) filtered = filtered.where('operation', 'in', filter.operations);
  if (filter.createdBefore) filtered = filtered.where('created_at', '<', filter.createdBefore);
  if (filter.createdAfter) filtered = filtered.where('created_at', '>', filter.createdAfter);
  return filtered;
}

/** The moment of a change: not before the last one, though the database's clock may have been set back since. */
export const changedAt = sql<Date>`greatest(clock_timestamp(), updated_at)`;

/** QUEUED → RUNNING. Nothing when somebody else was first. */
export async function markRunning(db: Database | Tx, id: string): Promise<Snapshot | undefined> {
  const row = await db
    .updateTable('tasks')
    .set((eb) => ({
      state: 'RUNNING',
      version: eb('version', '+', 1),
      started_at: changedAt,
      rate_at: sql<Date>`clock_timestamp()`,
      updated_at: changedAt,
    }))
    .where('id', '=', id)
    .where('state', '=', 'QUEUED')
    .returningAll()
    .executeTakeFirst();
  return row && toSnapshot(row);
}

/** Counts one applied chunk and ends the task with its last one. Throws TaskEnded when the task ended meanwhile. Takes the lock of the task's row: call it last, so that
 *  chunks of one task wait for each other only as long as a commit takes. */
export async function countChunk(tx: Tx, id: string, succeeded: number, failed: number): Promise<Snapshot> {
  const isLast = sql<boolean>`processed + ${succeeded + failed} = total`;
  const row = await tx
    .updateTable('tasks')
    .set((eb) => ({
      succeeded: eb('succeeded', '+', succeeded),
      failed: eb('failed', '+', failed),
      processed: eb('processed', '+', succeeded + failed),
      version: eb('version', '+', 1),
      updated_at: changedAt,
      ...measureChunk(succeeded + failed),
      rate_at: sql<Date>`clock_timestamp()`,
      state: sql<TaskState>`case when ${isLast} then 'SUCCEEDED' else state end`,
      completed_at: sql<Date | null>`case when ${isLast} then ${changedAt} end`,
    }))
    .where('id', '=', id)
    .where('completed_at', 'is', null)
    .returningAll()
    .executeTakeFirst();
  if (row === undefined) throw new TaskEnded();
  return toSnapshot(row);
}

/** The task ended while a chunk of it was in hand: nothing of the chunk must stay. */
export class TaskEnded extends Error {
  override readonly name = 'TaskEnded';
}

/** Ends a task that cannot be carried out. Nothing when it has ended already. */
export async function failTask(db: Database | Tx, id: string, error: string): Promise<Snapshot | undefined> {
  const row = await db
    .updateTable('tasks')
    .set((eb) => ({
      state: 'FAILED',
      error,
      version: eb('version', '+', 1),
      updated_at: changedAt,
      completed_at: changedAt,
    }))
    .where('id', '=', id)
    .where('completed_at', 'is', null)
    .returningAll()
    .executeTakeFirst();
  return row && toSnapshot(row);
}

/** How many tasks have not ended, by state and operation: what a metrics scrape shows. */
export async function countUnfinishedTasks(
  db: Database,
): Promise<{ state: TaskState; operation: string; count: number }[]> {
  return db
    .selectFrom('tasks')
    .select((eb) => ['state', 'operation', eb.fn.countAll<number>().as('count')])
    .where('completed_at', 'is', null)
    .groupBy(['state', 'operation'])
    .execute();
}
