import type { GatewayDeps } from '../../deps.ts';
import { operationOf } from '../../tasks/engine.ts';
import { listFailures } from '../../tasks/failures.ts';
import type { Failure, ResultShape } from '../../tasks/operation.ts';
import {
  asyncActionStatusOf,
  importFailureOf,
  operationStatusOf,
  processingTimeOf,
  reportPath,
  reportsAvailableTill,
  resultMessageOf,
  updateErrorOf,
  wholeProgressOf,
} from '../../tasks/results.ts';
import type { Snapshot } from '../../tasks/snapshot.ts';
import { isFinal } from '../../tasks/state.ts';
import type { Action, ActionWithResult } from './shapes.ts';

/** An action as lists have it. */
export function describeAction(deps: GatewayDeps, task: Snapshot): Action {
  return {
    id: task.id,
    type: operationOf(deps.engine.operations, task.operation).actionType ?? task.operation,
    status: asyncActionStatusOf(task.state),
    operation_status: operationStatusOf(task.state),
    created_at: task.createdAt.toISOString(),
    updated_at: task.updatedAt.toISOString(),
    request_id: task.requestId,
    processing_time: processingTimeOf(task),
    progress: wholeProgressOf(task),
    object: 'async_action',
  };
}

/** What of a result tells of single items. */
interface Items {
  readonly failures: readonly Failure[];
  readonly reports: string[];
}

/** An action as its poll tells it; who `isConfined` to watching sees no items. */
export function describeWithResult(
  deps: GatewayDeps,
  task: Snapshot,
  isConfined: boolean,
): ActionWithResult | Promise<ActionWithResult> {
  const { result: shape } = operationOf(deps.engine.operations, task.operation);
  const action = describeAction(deps, task);
  if (!isFinal(task.state) || shape === null) return action;
  // A failure's key can be the code of a voucher.
  if (isConfined) return { ...action, result: resultOf(task, shape, { failures: [], reports: [] }) };
  return readItems(deps, task, shape).then((items) => ({ ...action, result: resultOf(task, shape, items) }));
}

async function readItems(deps: GatewayDeps, task: Snapshot, shape: ResultShape): Promise<Items> {
  const page = { afterRow: 0, limit: deps.config.BULKCAST_POLL_FAILURES };
  const failures = task.failed > 0 ? await listFailures(deps.db, task.id, page) : [];
  const link = () => deps.links.sign(reportPath(task.id), { until: reportsAvailableTill(task) });
  return { failures, reports: shape.family === 'UPDATE' ? [link()] : [] };
}

/** Validated by type in the contract: each family has its own fields, and no type has another's. */
function resultOf(task: Snapshot, shape: ResultShape, { failures, reports }: Items): ActionWithResult['result'] {
  const message = resultMessageOf(shape, task);
  const done_count = task.succeeded;
  const failed_count = task.failed;
  switch (shape.family) {
    case 'COUNT':
      return { message, done_count };
    case 'IMPORT': {
      const failed = failures.map((failure) => importFailureOf(shape, failure));
      return { message, failed, done_count, failed_count };
    }
    case 'UPDATE': {
      const errors = failures.map((failure) => updateErrorOf(shape, failure));
      const reports_available_till = reportsAvailableTill(task).toISOString();
      return { done_count, failed_count, reports, reports_available_till, errors };
    }
  }
}
