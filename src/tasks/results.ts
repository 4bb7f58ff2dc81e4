import type { AnyOperation, Failure } from './operation.ts';
import { progressOf, type Snapshot } from './snapshot.ts';
import { isFinal, type TaskState } from './state.ts';

/** How a task shows in the two wire models; the table is in DESIGN.md under States. */

export type BulkIssuanceStatus = 'pending' | 'processing' | 'completed' | 'failed';

export function bulkIssuanceStatusOf(state: TaskState): BulkIssuanceStatus {
  if (state === 'QUEUED') return 'pending';
  if (!isFinal(state)) return 'processing';
  return state === 'SUCCEEDED' ? 'completed' : 'failed';
}

/** The issuance's `issuedCount` and `failedCount`: so far while it runs, null before it has begun. */
export function issuanceCountsOf(snapshot: Snapshot): { issuedCount: number | null; failedCount: number | null } {
  if (snapshot.state === 'QUEUED') return { issuedCount: null, failedCount: null };
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
  return `${snapshot.failed} of ${snapshot.total} cards could not be issued`;
}

/** The result's fixed text (contract of the async actions, section 1.1; the plural is never adapted to the number), or why
 *  the task FAILED: an async action has no other place to say it. */
export function resultMessageOf(operation: AnyOperation, snapshot: Snapshot): string {
  if (snapshot.error !== null) return snapshot.error;
  const noun = operation.result?.noun ?? 'item';
  return `${snapshot.succeeded} ${noun}(s) imported successfully, ${snapshot.failed} failed.`;
}

/** One entry of `failed` in a family B result, with the keys that the type has. */
export function wireFailureOf(operation: AnyOperation, failure: Failure): Record<string, unknown> {
  const shape = operation.result?.failure;
  return {
    ...(shape?.key ? { [shape.key]: failure.key ?? '' } : {}),
    ...(shape?.row ? { row: failure.row } : {}),
    reason: failure.message,
  };
}
