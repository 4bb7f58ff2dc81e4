import type { Tx } from '../db/client.ts';
import { badInput, ClientError } from '../errors.ts';
import { settleEnded } from './ending.ts';
import { type EngineDeps, operationOf } from './engine.ts';
import type { Snapshot } from './snapshot.ts';
import { isFinal, type TaskState } from './state.ts';
import { findTask, type TaskFilter } from './store.ts';
import { changeState, endCanceling, listUnfinished } from './transitions.ts';
import { handOut, leaveLine } from './turns.ts';

/** What its owner asks of a task. Asking for what is so already changes nothing. */
export interface SteerRequest {
  readonly id: string;
  readonly projectId: string;
  /** Who asks: an app id or a merchant. */
  readonly actor: string;
  readonly reason?: string | undefined;
}

/** Halts a task: chunks in hand end, nothing new begins. Throws BAD_USER_INPUT when it is not there or cannot be paused any more. */
export async function pauseTask(deps: EngineDeps, request: SteerRequest): Promise<Snapshot> {
  return steer(deps, request, { from: ['QUEUED', 'RUNNING'], to: 'PAUSED', already: ['PAUSED'] }, async (tx, task) => {
    await leaveLine(tx, task.id);
    await handOut(deps, tx, task.projectId);
  });
}

/** Lets a paused task go on. Throws BAD_USER_INPUT when it is not there, or is being canceled or has ended. */
export async function resumeTask(deps: EngineDeps, request: SteerRequest): Promise<Snapshot> {
  return steer(deps, request, { from: ['PAUSED'], to: 'RUNNING', already: ['QUEUED', 'RUNNING'] }, async (tx, task) =>
    handOut(deps, tx, task.projectId),
  );
}

/**
 * Ends a task: CANCELING while chunks are in hand, which end and count, then CANCELED; what was applied stays. Throws
 * BAD_USER_INPUT when it is not there or has SUCCEEDED or FAILED.
 */
export async function cancelTask(deps: EngineDeps, request: SteerRequest): Promise<Snapshot> {
  const change = {
    from: ['QUEUED', 'RUNNING', 'PAUSED'],
    to: 'CANCELING',
    already: ['CANCELING', 'CANCELED'],
  } as const satisfies Change;
  const task = await steer(deps, request, change, async (tx, { id, projectId }) => {
    await leaveLine(tx, id);
    // Whatever becomes of this process, a worker ends the task.
    await deps.jobs.enqueue(tx, [{ taskId: id, chunk: null, turn: -1 }]);
    await handOut(deps, tx, projectId);
  });
  return (await settleCanceling(deps, task.id)) ?? task;
}

/** Cancels every unfinished task that fits and returns how many there were. */
export async function cancelTasks(
  deps: EngineDeps,
  filter: TaskFilter,
  request: Omit<SteerRequest, 'id'>,
): Promise<number> {
  const ids = await listUnfinished(deps.db, request.projectId, filter);
  let canceled = 0;
  for (const id of ids) {
    const task = await cancelTask(deps, { ...request, id }).catch((error: unknown) => {
      // It ended by itself meanwhile.
      if (error instanceof ClientError && error.code === 'BAD_USER_INPUT') return undefined;
      throw error;
    });
    if (task !== undefined) canceled += 1;
  }
  return canceled;
}

/** CANCELING → CANCELED, once no chunk is in hand. Nothing when one is, or the task is not CANCELING. */
export async function settleCanceling(deps: EngineDeps, id: string): Promise<Snapshot | undefined> {
  const snapshot = await deps.db.transaction().execute(async (tx) => {
    const canceled = await endCanceling(tx, id);
    if (canceled === undefined) return undefined;
    await settleEnded(deps, tx, operationOf(deps.operations, canceled.operation), canceled);
    await leaveLine(tx, canceled.id);
    await handOut(deps, tx, canceled.projectId);
    return canceled;
  });
  if (snapshot === undefined) return undefined;
  const { operation, state, succeeded, failed } = snapshot;
  deps.metrics.tasksEnded.inc({ operation, state });
  deps.log.info('task.ended', { task: id, operation, state, succeeded, failed });
  deps.publish(snapshot);
  return snapshot;
}

interface Change {
  readonly from: readonly TaskState[];
  readonly to: 'PAUSED' | 'RUNNING' | 'CANCELING';
  /** States in which nothing is left to do. */
  readonly already: readonly TaskState[];
}

async function steer(
  deps: EngineDeps,
  request: SteerRequest,
  change: Change,
  then: (tx: Tx, task: Snapshot) => Promise<void>,
): Promise<Snapshot> {
  const changed = await deps.db.transaction().execute(async (tx) => {
    const task = await changeState(tx, request, change);
    if (task === undefined) return undefined;
    await deps.entered(tx, task);
    await then(tx, task);
    return task;
  });
  if (changed !== undefined) {
    deps.log.info('task.steered', { task: changed.id, state: changed.state, actor: request.actor });
    deps.publish(changed);
    return changed;
  }
  const task = await findTask(deps.db, request.projectId, request.id);
  if (task === undefined) throw badInput(['id'], 'NOT_FOUND', `Cannot find bulk task with id ${request.id}`);
  if (change.already.includes(task.state)) return task;
  // It came to a state that allows the change only after it was refused: the caller sees the refusal.
  const code = isFinal(task.state) ? 'TASK_ENDED' : 'TASK_CANCELING';
  throw badInput(['id'], code, `A task that is ${task.state} cannot become ${change.to}`, request.id);
}
