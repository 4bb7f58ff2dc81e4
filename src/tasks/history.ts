import type { Database } from '../db/client.ts';
import { type Snapshot, toSnapshot } from './snapshot.ts';
import type { TaskState } from './state.ts';

/** A state that a task entered. */
export interface TaskEvent {
  readonly state: TaskState;
  readonly version: number;
  readonly at: Date;
  /** Who asked for it, an app id or a merchant; null: its own progress. */
  readonly actor: string | null;
  readonly reason: string | null;
}

const maxEvents = 1_000;
const maxChildren = 100;

/** The states that a task entered, oldest first. */
export async function listEvents(db: Database, taskId: string): Promise<TaskEvent[]> {
  return db
    .selectFrom('task_events')
    .select(['state', 'version', 'at', 'actor', 'reason'])
    .where('task_id', '=', taskId)
    .orderBy('version')
    .limit(maxEvents)
    .execute();
}

/** The tasks that try the failures of a task again, oldest first. */
export async function listChildren(db: Database, parentId: string): Promise<Snapshot[]> {
  const rows = await db
    .selectFrom('tasks')
    .selectAll()
    .where('parent_id', '=', parentId)
    .orderBy('created_at')
    .orderBy('id')
    .limit(maxChildren)
    .execute();
  return rows.map(toSnapshot);
}
