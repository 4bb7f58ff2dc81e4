import type { JsonObject, TaskRow } from '../db/tables.ts';
import { isFinal, type TaskModel, type TaskState } from './state.ts';

/** A task as of one version: what the bus carries, what is pushed and what a poll answers. */
export interface Snapshot {
  readonly id: string;
  readonly projectId: string;
  readonly model: TaskModel;
  /** The operation's stored name, such as `vouchers.import`. */
  readonly operation: string;
  /** What the operation settled at the start and needs in every chunk; the items are not in it. */
  readonly parameters: JsonObject;
  readonly state: TaskState;
  /** 1 at the start, one more with every committed change. */
  readonly version: number;
  readonly total: number;
  readonly processed: number;
  readonly succeeded: number;
  readonly failed: number;
  /** Why the task FAILED, in words for the client. */
  readonly error: string | null;
  readonly requestId: string;
  readonly createdAt: Date;
  readonly startedAt: Date | null;
  readonly updatedAt: Date;
  readonly completedAt: Date | null;
}

export function toSnapshot(row: TaskRow): Snapshot {
  return {
    id: row.id,
    projectId: row.project_id,
    model: row.model,
    operation: row.operation,
    parameters: row.parameters,
    state: row.state,
    version: row.version,
    total: row.total,
    processed: row.processed,
    succeeded: row.succeeded,
    failed: row.failed,
    error: row.error,
    requestId: row.request_id,
    createdAt: row.created_at,
    startedAt: row.started_at,
    updatedAt: row.updated_at,
    completedAt: row.completed_at,
  };
}

/** 0 to 100, two decimals. 100 only when the task has ended, so that nobody takes the last percent for the end. */
export function progressOf(snapshot: Snapshot): number {
  if (snapshot.state === 'SUCCEEDED') return 100;
  if (snapshot.total === 0) return isFinal(snapshot.state) ? 100 : 0;
  return Math.min(Math.floor((snapshot.processed / snapshot.total) * 10_000) / 100, 99.99);
}

/** Items a second since the start, averaged; null before anything is processed. */
export function ratePerSecondOf(snapshot: Snapshot): number | null {
  if (snapshot.startedAt === null || snapshot.processed === 0) return null;
  const seconds = (snapshot.updatedAt.getTime() - snapshot.startedAt.getTime()) / 1000;
  return seconds > 0 ? snapshot.processed / seconds : null;
}

/** When a RUNNING task will end if it goes on at its average rate; null when that cannot be told. */
export function estimatedCompletionOf(snapshot: Snapshot): Date | null {
  const rate = ratePerSecondOf(snapshot);
  if (snapshot.state !== 'RUNNING' || rate === null) return null;
  return new Date(snapshot.updatedAt.getTime() + ((snapshot.total - snapshot.processed) / rate) * 1000);
}
