import type { FastifyInstance } from 'fastify';
import type { GatewayDeps } from '../../deps.ts';
import { readWireDate } from '../../domain/dates.ts';
import { notFound } from '../../errors.ts';
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
import { findTask, listTasks } from '../../tasks/store.ts';
import { callerOf, watcherOf } from '../door.ts';
import { answerPoll } from '../polls.ts';
import { invalidParameter, readLimit } from './paging.ts';
import type { Action, ActionList, ActionWithResult } from './shapes.ts';

interface Poll {
  readonly Params: { readonly id: string };
}
interface List {
  readonly Querystring: { readonly limit?: unknown; readonly end_date?: unknown };
}

/** The poll of one async action, and their list. */
export function registerActions(server: FastifyInstance, deps: GatewayDeps): void {
  server.get<Poll>('/async-actions/:id', { config: { door: 'poll', isWatch: true } }, async (request, reply) => {
    const { id } = request.params;
    const watcher = watcherOf(request, id);
    if (watcher === undefined) throw notFound('async_action', id);
    const found = await findAction(deps, watcher.projectId, id);
    const task = found.state === 'QUEUED' ? await waitForStart(deps, found) : found;
    const isConfined = watcher.taskId !== null;
    const body = () => describeWithResult(deps, task, isConfined);
    return answerPoll(request, reply, task, { mayBeStale: false, isConfined, body });
  });

  server.get<List>('/async-actions', async (request): Promise<ActionList> => {
    const limit = readLimit(request.query.limit);
    const filter = { models: ['ASYNC_ACTION'] as const, createdBefore: readEndDate(request.query.end_date) };
    const tasks = await listTasks(deps.db, callerOf(request).projectId, filter, { limit: limit + 1 });
    return {
      object: 'list',
      data_ref: 'async_actions',
      async_actions: tasks.slice(0, limit).map((task) => describe(deps, task)),
      has_more: tasks.length > limit,
    };
  });
}

async function findAction(deps: GatewayDeps, projectId: string, id: string): Promise<Snapshot> {
  // An id of another form is nobody's, and need not be a text that Postgres takes.
  const task = /^aa_[0-9a-f]{18}$/.test(id) ? await findTask(deps.db, projectId, id) : undefined;
  if (task?.model !== 'ASYNC_ACTION') throw notFound('async_action', id);
  return task;
}

/** Two official clients stop at the first answer that is not IN_PROGRESS, so a QUEUED task gets a moment to start. */
async function waitForStart(deps: GatewayDeps, task: Snapshot): Promise<Snapshot> {
  const waitMs = deps.config.BULKCAST_POLL_WAIT_MS;
  if (waitMs === 0) return task;
  const started = Promise.withResolvers<Snapshot>();
  const accept = (newer: Snapshot | undefined) => {
    if (newer !== undefined && newer.state !== 'QUEUED') started.resolve(newer);
  };
  const timeout = setTimeout(() => started.resolve(task), waitMs);
  const watch = deps.feeds.watchTask(task.projectId, task.id, accept);
  try {
    watch.read().then(accept, () => started.resolve(task));
    return await started.promise;
  } finally {
    clearTimeout(timeout);
    watch.leave();
  }
}

function describe(deps: GatewayDeps, task: Snapshot): Action {
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

async function describeWithResult(deps: GatewayDeps, task: Snapshot, isConfined: boolean): Promise<ActionWithResult> {
  const { result: shape } = operationOf(deps.engine.operations, task.operation);
  if (!isFinal(task.state) || shape === null) return describe(deps, task);
  // Who may only watch sees how many, and no item: a failure's key can be the code of a voucher.
  const items = isConfined ? { failures: [], reports: [] } : await readItems(deps, task, shape);
  return { ...describe(deps, task), result: resultOf(task, shape, items) };
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

function readEndDate(given: unknown): Date | undefined {
  if (given === undefined) return undefined;
  const date = typeof given === 'string' ? readWireDate(given) : undefined;
  if (date === undefined) throw invalidParameter('end_date', 'cannot be recognized as a ISO-8601 compliant date');
  return date;
}
