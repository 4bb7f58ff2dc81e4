import { sql } from 'kysely';
import type { Database, Tx } from '../db/client.ts';
import { inHandLock } from './chunks.ts';
import { type Snapshot, toSnapshot } from './snapshot.ts';
import type { TaskState } from './state.ts';
import { type TaskFilter, whereFilter } from './store.ts';

/** The SQL of what a task's owner asks for. */

/** Changes the state of the project's task at its owner's wish, from one of these. A task that was paused before it began goes back to
 *  QUEUED. Nothing when it is in another state, or not there. */
export async function changeState(
  tx: Tx,
  request: {
    readonly id: string;
    readonly projectId: string;
    readonly actor: string;
    readonly reason?: string | undefined;
  },
  change: { readonly from: readonly TaskState[]; readonly to: TaskState },
): Promise<Snapshot | undefined> {
  const row = await tx
    .updateTable('tasks')
    .set((eb) => ({
      state:
        change.to === 'RUNNING'
          ? sql<TaskState>`case when started_at is null then 'QUEUED' else 'RUNNING' end`
          : change.to,
      version: eb('version', '+', 1),
      updated_at: sql<Date>`clock_timestamp()`,
      rate_at: sql<Date>`clock_timestamp()`,
      changed_by: request.actor,
      change_reason: request.reason ?? null,
    }))
    .where('id', '=', request.id)
    .where('project_id', '=', request.projectId)
    .where('state', 'in', change.from)
    .returningAll()
    .executeTakeFirst();
  return row && toSnapshot(row);
}

/** CANCELING → CANCELED, unless a chunk of the task is in hand: it holds the lock that `takeChunk` takes. */
export async function endCanceling(tx: Tx, id: string): Promise<Snapshot | undefined> {
  const row = await tx
    .updateTable('tasks')
    .set((eb) => ({
      state: 'CANCELED',
      version: eb('version', '+', 1),
      updated_at: sql<Date>`clock_timestamp()`,
      completed_at: sql<Date>`clock_timestamp()`,
    }))
    .where('id', '=', id)
    .where('state', '=', 'CANCELING')
    .where(sql<boolean>`pg_try_advisory_xact_lock(hashtextextended(id, ${inHandLock}))`)
    .returningAll()
    .executeTakeFirst();
  return row && toSnapshot(row);
}

/** The ids of the project's unfinished tasks that fit, oldest first. */
export async function listUnfinished(db: Database, projectId: string, filter: TaskFilter): Promise<string[]> {
  const query = db
    .selectFrom('tasks')
    .selectAll()
    .where('project_id', '=', projectId)
    .where('completed_at', 'is', null);
  const rows = await whereFilter(query, filter).orderBy('created_at').orderBy('id').execute();
  return rows.map(({ id }) => id);
}
