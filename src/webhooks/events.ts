import { sql } from 'kysely';
import type { Tx } from '../db/client.ts';
import type { DeliveryJobs } from '../tasks/delivery-jobs.ts';
import { operationOf } from '../tasks/engine.ts';
import type { AnyOperation } from '../tasks/operation.ts';
import {
  asyncActionStatusOf,
  bulkIssuanceStatusOf,
  issuanceCountsOf,
  issuanceErrorOf,
  operationStatusOf,
  processingTimeOf,
} from '../tasks/results.ts';
import { estimatedCompletionOf, progressOf, rateOf, type Snapshot } from '../tasks/snapshot.ts';

/** What an endpoint can be told: each state that a task enters. Progress is not among them: it is for subscriptions, and would be
 *  thousands of messages of a large task. */
export const taskEventTypes = [
  'bulk_task.queued',
  'bulk_task.running',
  'bulk_task.paused',
  'bulk_task.canceling',
  'bulk_task.succeeded',
  'bulk_task.failed',
  'bulk_task.canceled',
] as const;

export interface EventDeps {
  readonly deliveries: Pick<DeliveryJobs, 'enqueue'>;
  readonly operations: ReadonlyMap<string, AnyOperation>;
}

/** Tells the project's endpoints of the state that a task has entered, once the transaction commits. An import that was started
 *  without `webhooks_enable` tells nothing. */
export async function announceState({ deliveries, operations }: EventDeps, tx: Tx, task: Snapshot): Promise<void> {
  if (task.parameters.webhooksEnable === false) return;
  const type = `bulk_task.${task.state.toLowerCase()}`;
  const data = describeTask(task, operationOf(operations, task.operation));
  // The lock keeps an endpoint whose row is being deleted from failing the task.
  const { rows } = await sql<{ deliveryId: string; endpointId: string }>`
    with told as (
      select id from webhook_endpoints
      where project_id = ${task.projectId} and disabled_at is null and deleted_at is null and ${type} = any(events)
      for key share
    )
    insert into webhook_deliveries (endpoint_id, task_id, version, type, body)
    select id, ${task.id}, ${task.version}, ${type}, ${eventBody(type, task.updatedAt, data)} from told
    returning id as "deliveryId", endpoint_id as "endpointId"`.execute(tx);
  await deliveries.enqueue(
    tx,
    rows.map((row) => ({ ...row, attempt: 1 })),
  );
}

/** The body of a message, as Standard Webhooks has it. */
export function eventBody(type: string, at: Date, data: object): string {
  return JSON.stringify({ type, timestamp: at.toISOString(), data });
}

/** A task as GraphQL tells it at this version, under the same names; what takes a query of its own (cards, failures, results) is
 *  not in it. */
function describeTask(task: Snapshot, operation: AnyOperation): object {
  const { id, state, version, total, processed, succeeded, failed, ...rest } = task;
  const { createdAt, startedAt, updatedAt, completedAt } = rest;
  const progress = {
    id,
    kind: task.kind,
    dryRun: task.kind === 'DRY_RUN',
    priority: task.priority,
    state,
    version,
    progress: progressOf(task),
    counts: { total, processed, succeeded, failed },
    ratePerSecond: rateOf(task),
    createdAt,
    startedAt,
    updatedAt,
    completedAt,
    estimatedCompletionAt: estimatedCompletionOf(task),
    changedBy: task.changedBy,
    changeReason: task.changeReason,
  };
  return task.model === 'BULK_ISSUANCE'
    ? { __typename: 'BulkIssuanceTask', ...progress, ...describeIssuance(task) }
    : { __typename: 'AsyncAction', ...progress, ...describeAction(task, operation) };
}

function describeIssuance(task: Snapshot): object {
  return {
    taskId: task.id,
    programId: task.parameters.programId,
    status: bulkIssuanceStatusOf(task.state).toUpperCase(),
    ...issuanceCountsOf(task),
    error: issuanceErrorOf(task),
  };
}

function describeAction(task: Snapshot, { actionType }: AnyOperation): object {
  return {
    type: actionType?.replaceAll('.', '_'),
    status: asyncActionStatusOf(task.state),
    operationStatus: operationStatusOf(task.state),
    requestId: task.requestId,
    processingTime: processingTimeOf(task),
  };
}
