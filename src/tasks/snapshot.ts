import type { JsonObject, TaskRow } from '../db/tables.ts';
import { type Rate, readRate } from './rate.ts';
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
  /** Who last paused, resumed or canceled it, or started it with a reason, and why. */
  readonly changedBy: string | null;
  readonly changeReason: string | null;
  /** Smoothed while it runs, the average once it has ended; null before there is a measurement. */
  readonly rate: Rate | null;
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
    rate: readRate(row),
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

/** Items a second; null when that has not been measured of late. By this process's clock, as the two below. */
export function rateOf({ rate }: Snapshot): number | null {
  return rate !== null && untilMs(rate) > Date.now() ? rate.perSecond : null;
}

/** When a RUNNING task will end if it goes on as of late; null when that cannot be told, or has passed. */
export function estimatedCompletionOf(snapshot: Snapshot): Date | null {
  const { state, total, processed, updatedAt } = snapshot;
  const rate = rateOf(snapshot);
  if (state !== 'RUNNING' || rate === null || rate === 0) return null;
  const end = new Date(updatedAt.getTime() + ((total - processed) / rate) * 1000);
  return end.getTime() > Date.now() ? end : null;
}

/** Until when both of these are as they are now, in epoch milliseconds, unless there is a newer version. */
export function rateHoldsUntil(snapshot: Snapshot): number {
  if (snapshot.rate === null || rateOf(snapshot) === null) return Number.POSITIVE_INFINITY;
  return Math.min(untilMs(snapshot.rate), estimatedCompletionOf(snapshot)?.getTime() ?? Number.POSITIVE_INFINITY);
}

function untilMs({ until }: Rate): number {
  return until?.getTime() ?? Number.POSITIVE_INFINITY;
}
