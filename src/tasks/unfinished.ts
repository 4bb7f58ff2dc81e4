import { sql } from 'kysely';
import type { Database, Tx } from '../db/client.ts';
import type { JsonObject } from '../db/json.ts';
import type { Snapshot } from './snapshot.ts';

/** The SQL on what else is unfinished besides a task, or of it. */

type TaskAhead = Pick<Snapshot, 'id' | 'state'>;

/** The task that one of those that run one by one waits for: the one that runs, else the one that is first in line. */
export async function findTaskAhead(db: Database, task: Snapshot): Promise<TaskAhead | undefined> {
  return db
    .selectFrom('tasks')
    .select(['id', 'state'])
    .where('completed_at', 'is', null)
    .where('operation', '=', task.operation)
    .where('project_id', '=', task.projectId)
    .where((eb) =>
      eb.or([eb('state', '<>', 'QUEUED'), sql<boolean>`(created_at, id) < (${task.createdAt}, ${task.id})`]),
    )
    .orderBy((eb) => eb('state', '=', 'QUEUED'))
    .orderBy('created_at')
    .orderBy('id')
    .limit(1)
    .executeTakeFirst();
}

/** Whether a chunk of the task is in the job queue. */
export async function hasTurn(db: Database, taskId: string): Promise<boolean> {
  const row = await db.selectFrom('turns').select('chunk').where('task_id', '=', taskId).limit(1).executeTakeFirst();
  return row !== undefined;
}

/** Whether the project has another task that applies its items, has not ended and was planned with these parameters, among others. */
export async function hasUnfinishedTask(
  tx: Tx,
  what: { readonly projectId: string; readonly except: string; readonly parameters: JsonObject },
): Promise<boolean> {
  const row = await tx
    .selectFrom('tasks')
    .select('id')
    .where('completed_at', 'is', null)
    .where('project_id', '=', what.projectId)
    .where('kind', '=', 'RUN')
    .where('id', '<>', what.except)
    .where(sql<boolean>`parameters @> ${JSON.stringify(what.parameters)}::jsonb`)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}
