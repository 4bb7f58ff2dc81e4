import type { JsonObject, TaskRow } from '../db/tables.ts';
import { isFinal, priorityOf, type TaskKind, type TaskModel, type TaskPriority, type TaskState } from './state.ts';

/** A task as of one version: what the bus carries, what is pushed and what a poll answers. */
export interface Snapshot {
  readonly id: string;
  readonly projectId: string;
  readonly model: TaskModel;
  /** The operation's stored name, such as `vouchers.import`. */
  readonly operation: string;
  readonly kind: TaskKind;
  readonly priority: TaskPriority;
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
  /** The task that this one belongs to: whose failures it tries again, which it undoes, or whose dry run it carries out. */
  readonly parentId: string | null;
  /** Who last paused, resumed or canceled it, and why. */
  readonly changedBy: string | null;
  readonly changeReason: string | null;
  /** Items a second, smoothed while it runs, the average once it has ended; null before there is a measurement. */
  readonly ratePerSecond: number | null;
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
    kind: row.kind,
    priority: priorityOf(row.priority),
    parameters: row.parameters,
    state: row.state,
    version: row.version,
    total: row.total,
    processed: row.processed,
    succeeded: row.succeeded,
    failed: row.failed,
    error: row.error,
    requestId: row.request_id,
    parentId: row.parent_id,
    changedBy: row.changed_by,
    changeReason: row.change_reason,
    ratePerSecond: rateOf(row),
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

/** Less than this is no measurement. */
const leastSeconds = 1;

function rateOf(row: TaskRow): number | null {
  if (row.state === 'RUNNING') return row.rate_seconds >= leastSeconds ? row.rate_items / row.rate_seconds : null;
  if (row.completed_at === null || row.started_at === null || row.processed === 0) return null;
  const seconds = (row.completed_at.getTime() - row.started_at.getTime()) / 1000;
  return seconds > 0 ? row.processed / seconds : null;
}

/** When a RUNNING task will end if it goes on as of late; null when that cannot be told. */
export function estimatedCompletionOf(snapshot: Snapshot): Date | null {
  const { state, ratePerSecond, total, processed, updatedAt } = snapshot;
  if (state !== 'RUNNING' || ratePerSecond === null || ratePerSecond === 0) return null;
  return new Date(updatedAt.getTime() + ((total - processed) / ratePerSecond) * 1000);
}
