import type { Failure, ResultShape } from './operation.ts';
import { progressOf, type Snapshot } from './snapshot.ts';
import { isFinal, type TaskState } from './state.ts';

/** How a task shows in the two wire models; the table is in DESIGN.md under States. */

export type BulkIssuanceStatus = 'pending' | 'processing' | 'completed' | 'failed';

export function bulkIssuanceStatusOf(state: TaskState): BulkIssuanceStatus {
  if (state === 'QUEUED') return 'pending';
  if (!isFinal(state)) return 'processing';
  return state === 'SUCCEEDED' ? 'completed' : 'failed';
}

/** The issuance's `issuedCount` and `failedCount`: so far while it runs, null before it has begun, and of an undo. */
export function issuanceCountsOf(snapshot: Snapshot): { issuedCount: number | null; failedCount: number | null } {
  if (snapshot.state === 'QUEUED' || snapshot.kind === 'UNDO') return { issuedCount: null, failedCount: null };
  return { issuedCount: snapshot.succeeded, failedCount: snapshot.failed };
}

export type AsyncActionStatus = 'ENQUEUED' | 'IN_PROGRESS' | 'DONE' | 'FAILED';

export function asyncActionStatusOf(state: TaskState): AsyncActionStatus {
  if (state === 'QUEUED') return 'ENQUEUED';
  if (!isFinal(state)) return 'IN_PROGRESS';
  return state === 'SUCCEEDED' ? 'DONE' : 'FAILED';
}

export type OperationStatus = 'SUCCESS' | 'FAILED' | 'UNKNOWN';

export function operationStatusOf(state: TaskState): OperationStatus {
  if (!isFinal(state)) return 'UNKNOWN';
  return state === 'SUCCEEDED' ? 'SUCCESS' : 'FAILED';
}

/** Milliseconds: exactly `updated_at - created_at`, as in every example of the contract. */
export function processingTimeOf(snapshot: Snapshot): number {
  return snapshot.updatedAt.getTime() - snapshot.createdAt.getTime();
}

/** The whole percentage that the async action's wire model tells. */
export function wholeProgressOf(snapshot: Snapshot): number {
  return Math.floor(progressOf(snapshot));
}

/** The issuance's `error`: why it failed, or one line when some cards could not be issued. */
export function issuanceErrorOf(snapshot: Snapshot): string | null {
  if (snapshot.state === 'CANCELED') return 'The task was canceled';
  if (snapshot.state !== 'SUCCEEDED' || snapshot.failed === 0) return snapshot.error;
  const whatFailed = snapshot.kind === 'UNDO' ? 'taken back' : 'issued';
  return `${snapshot.failed} of ${snapshot.total} cards could not be ${whatFailed}`;
}

/** The result's fixed text (contract of the async actions, section 1.1; the plural is never adapted to the number), or why
 *  the task FAILED: an async action has no other place to say it. */
export function resultMessageOf(shape: ResultShape, snapshot: Snapshot): string {
  const { error, kind, succeeded, failed } = snapshot;
  if (error !== null) return error;
  if (kind === 'DRY_RUN') return `Dry run: ${succeeded} would be imported, ${failed} would fail.`;
  if (kind === 'UNDO') return `${succeeded} undone, ${failed} failed.`;
  switch (shape.family) {
    case 'COUNT':
      return `${shape.verb} ${succeeded} ${shape.noun}.`;
    case 'IMPORT':
      return `${succeeded} ${shape.noun}(s) imported successfully, ${failed} failed.`;
    case 'UPDATE':
      return `${succeeded} updated, ${failed} failed.`;
  }
}

/** One entry of `failed` in a family B result, with the keys that the type has. */
export function importFailureOf(
  { failure: shape }: Extract<ResultShape, { family: 'IMPORT' }>,
  failure: Failure,
): Record<string, unknown> {
  const missing = shape.missing === null ? null : '';
  const hasNoKey = shape.key === null || (shape.missing === 'LEFT_OUT' && failure.key === null);
  return {
    ...(hasNoKey ? {} : { [shape.key]: failure.key ?? missing }),
    ...(shape.row ? { row: failure.row } : {}),
    reason: failure.message,
  };
}

/** One entry of `errors` in a family C result: `key` names the kind of error, `details` what happened. */
export function updateErrorOf(
  shape: Extract<ResultShape, { family: 'UPDATE' }>,
  failure: Failure,
): { message: string; details: string; key: string } & Record<string, unknown> {
  const key = failure.code === 'INVALID' ? 'invalid_payload' : failure.code.toLowerCase();
  const message = updateErrorMessages[key] ?? 'Invalid payload';
  return { message, details: failure.message, key, [shape.key]: failure.key ?? '' };
}

const updateErrorMessages: Readonly<Record<string, string>> = {
  not_found: 'Resource not found',
  metadata_validation_failed: 'Metadata validation failed',
};

/** Until when the report of a bulk update can be downloaded: its chunks are kept at least so long. */
export function reportsAvailableTill(snapshot: Snapshot): Date {
  return new Date((snapshot.completedAt ?? snapshot.updatedAt).getTime() + reportDays * 24 * 3600 * 1000);
}

const reportDays = 30;

/** Where the report of a bulk update is downloaded. */
export function reportPath(taskId: string): string {
  return `/v1/async-actions/${taskId}/report.csv`;
}
