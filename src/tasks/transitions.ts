import { sql } from 'kysely';
import type { Database, Tx } from '../db/client.ts';
import { inHandLock } from './chunks.ts';
import { type Snapshot, toSnapshot } from './snapshot.ts';
import type { TaskState } from './state.ts';
import { changedAt, type TaskFilter, whereFilter } from './store.ts';

/** The SQL of what a task's owner asks for. */

/** Changes the state of the project's tasks at their owner's wish, from one of these, and returns those that changed. A task that was
 *  paused before it began goes back to QUEUED. */
export async function changeState(
  tx: Tx,
  request: {
    readonly ids: readonly string[];
    readonly projectId: string;
    readonly actor: string;
    readonly reason?: string | undefined;
  },
  change: { readonly from: readonly TaskState[]; readonly to: TaskState },
): Promise<Snapshot[]> {
  const { ids, projectId } = request;
  if (ids.length > 1) await lockInOrder(tx, projectId, ids);
  const rows = await tx
    .updateTable('tasks')
    .set((eb) => ({
      state:
        change.to === 'RUNNING'
          ? sql<TaskState>`case when started_at is null then 'QUEUED' else 'RUNNING' end`
          : change.to,
      version: eb('version', '+', 1),
      updated_at: changedAt,
      rate_at: sql<Date>`clock_timestamp()`,
      changed_by: request.actor,
      change_reason: request.reason ?? null,
    }))
    .where('id', '=', sql<string>`any(${ids as string[]})`)
    .where('project_id', '=', projectId)
    .where('state', 'in', change.from)
    .returningAll()
    .execute();
  return rows.map(toSnapshot);
}

/** So that two who change the same tasks wait for each other instead of deadlocking. */
async function lockInOrder(tx: Tx, projectId: string, ids: readonly string[]): Promise<void> {
  await tx
    .selectFrom('tasks')
    .select('id')
    .where('id', '=', sql<string>`any(${ids as string[]})`)
    .where('project_id', '=', projectId)
    .orderBy('id')
    .forNoKeyUpdate()
    .execute();
}

/** CANCELING → CANCELED, unless a chunk of the task is in hand: it holds the lock that `takeChunk` takes. */
export async function endCanceling(tx: Tx, id: string): Promise<Snapshot | undefined> {
  const row = await tx
    .updateTable('tasks')
    .set((eb) => ({
      state: 'CANCELED',
      version: eb('version', '+', 1),
      updated_at: changedAt,
      completed_at: changedAt,
    }))
    .where('id', '=', id)
    .where('state', '=', 'CANCELING')
    .where(sql<boolean>`pg_try_advisory_xact_lock(hashtextextended(id, ${inHandLock}))`)
    .returningAll()
    .executeTakeFirst();
  return row && toSnapshot(row);
}

/** The ids of the project's tasks that fit and can still be canceled, oldest first. */
export async function listCancelable(
  db: Database,
  projectId: string,
  filter: TaskFilter,
  limit: number,
): Promise<string[]> {
  const query = db
    .selectFrom('tasks')
    .selectAll()
    .where('project_id', '=', projectId)
    .where('completed_at', 'is', null)
    .where('state', '<>', 'CANCELING');
  const rows = await whereFilter(query, filter).orderBy('created_at').orderBy('id').limit(limit).execute();
  return rows.map(({ id }) => id);
}
