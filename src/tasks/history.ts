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

/** Of the oldest and of the newest each, so that the end is told of a task that was paused time and again. */
const maxEvents = 500;
const maxChildren = 100;

/** The states that a task had entered with that version, oldest first, at most the first 500 and the last 500: a task that has gone on
 *  since is told as of one moment. */
export async function listEvents(
  db: Database,
  { id, version }: Pick<Snapshot, 'id' | 'version'>,
): Promise<TaskEvent[]> {
  const events = db
    .selectFrom('task_events')
    .select(['state', 'version', 'at', 'actor', 'reason'])
    .where('task_id', '=', id)
    .where('version', '<=', version)
    .limit(maxEvents);
  const newest = db.selectFrom(events.orderBy('version', 'desc').as('newest')).selectAll();
  return db.selectFrom(events.orderBy('version').as('oldest')).selectAll().union(newest).orderBy('version').execute();
}

/** A stretch of a task's life. */
export interface TaskPhase {
  readonly name: 'STAGING' | 'RUNNING' | 'FINISHING';
  readonly startedAt: Date;
  /** Null while it lasts. */
  readonly endedAt: Date | null;
}

/** The phases that a task has been through, from its events: it is stored once it is staged, and pauses are part of RUNNING. */
export function phasesOf({ createdAt, startedAt, completedAt }: Snapshot, events: readonly TaskEvent[]): TaskPhase[] {
  const stagedAt = events[0]?.at ?? createdAt;
  const finishingAt = events.find(({ state }) => state === 'CANCELING')?.at ?? null;
  const phases: TaskPhase[] = [{ name: 'STAGING', startedAt: createdAt, endedAt: stagedAt }];
  if (startedAt !== null) phases.push({ name: 'RUNNING', startedAt, endedAt: finishingAt ?? completedAt });
  if (finishingAt !== null) phases.push({ name: 'FINISHING', startedAt: finishingAt, endedAt: completedAt });
  return phases;
}

/** The tasks that belong to a task, such as those that try its failures again, oldest first. */
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
