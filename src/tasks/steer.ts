import type { Tx } from '../db/client.ts';
import { badInput } from '../errors.ts';
import { settleEnded } from './ending.ts';
import { type EngineDeps, operationOf } from './engine.ts';
import type { Snapshot } from './snapshot.ts';
import { isFinal, type TaskState } from './state.ts';
import { findTask, type TaskFilter } from './store.ts';
import { changeState, endCanceling, listCancelable } from './transitions.ts';
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
  return steer(deps, request, { from: ['QUEUED', 'RUNNING'], to: 'PAUSED', already: ['PAUSED'] });
}

/** Lets a paused task go on. Throws BAD_USER_INPUT when it is not there, or is being canceled or has ended. */
export async function resumeTask(deps: EngineDeps, request: SteerRequest): Promise<Snapshot> {
  return steer(deps, request, { from: ['PAUSED'], to: 'RUNNING', already: ['QUEUED', 'RUNNING'] });
}

const toCanceling = {
  from: ['QUEUED', 'RUNNING', 'PAUSED'],
  to: 'CANCELING',
  already: ['CANCELING', 'CANCELED'],
} as const satisfies Change;

/**
 * Ends a task: CANCELING while chunks are in hand, which end and count, then CANCELED; what was applied stays. Throws
 * BAD_USER_INPUT when it is not there or has SUCCEEDED or FAILED.
 */
export async function cancelTask(deps: EngineDeps, request: SteerRequest): Promise<Snapshot> {
  const task = await steer(deps, request, toCanceling);
  return (await settleCanceling(deps, task.id)) ?? task;
}

/** Tasks that one transaction takes out of the line; others of the project wait for so long. */
const canceledAtOnce = 100;

/** Cancels the tasks that fit and can be, the oldest first and at most so many; returns how many it was done to, which somebody else may
 *  have made fewer. */
export async function cancelTasks(
  deps: EngineDeps,
  filter: TaskFilter,
  request: Omit<SteerRequest, 'id'>,
  limit: number,
): Promise<number> {
  const ids = await listCancelable(deps.db, request.projectId, filter, limit);
  let canceled = 0;
  for (let first = 0; first < ids.length; first += canceledAtOnce) {
    const tasks = await change(deps, { ...request, ids: ids.slice(first, first + canceledAtOnce) }, toCanceling);
    // Each by itself: what one waits for, such as its campaign, may be held by who waits for another.
    for (const { id } of tasks) await settleCanceling(deps, id);
    canceled += tasks.length;
  }
  return canceled;
}

/** CANCELING → CANCELED, once no chunk is in hand. Nothing when one is, or the task is not CANCELING. */
export async function settleCanceling(deps: EngineDeps, id: string): Promise<Snapshot | undefined> {
  const snapshot = await deps.db.transaction().execute(async (tx) => {
    const canceled = await endCanceling(tx, id);
    if (canceled === undefined) return undefined;
    await settleEnded(deps, tx, operationOf(deps.operations, canceled.operation), canceled);
    await standDown(deps, tx, [canceled]);
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

async function steer(deps: EngineDeps, { id, ...request }: SteerRequest, wanted: Change): Promise<Snapshot> {
  const [changed] = await change(deps, { ...request, ids: [id] }, wanted);
  if (changed !== undefined) return changed;
  const task = await findTask(deps.db, request.projectId, id);
  if (task === undefined) throw badInput(['id'], 'NOT_FOUND', `Cannot find bulk task with id ${id}`);
  if (wanted.already.includes(task.state)) return task;
  // It came to a state that allows the change only after it was refused: the caller sees the refusal.
  const code = isFinal(task.state) ? 'TASK_ENDED' : 'TASK_CANCELING';
  throw badInput(['id'], code, `A task that is ${task.state} cannot become ${wanted.to}`, id);
}

/** Brings those of the project's tasks that can be to another state, all or none, and returns them. */
async function change(
  deps: EngineDeps,
  request: Omit<SteerRequest, 'id'> & { readonly ids: readonly string[] },
  { from, to }: Change,
): Promise<Snapshot[]> {
  const changed = await deps.db.transaction().execute(async (tx) => {
    const tasks = await changeState(tx, request, { from, to });
    if (tasks.length === 0) return tasks;
    for (const task of tasks) await deps.entered(tx, task);
    // Whatever becomes of this process, a worker ends what is canceled.
    const endings = tasks.map(({ id }) => ({ taskId: id, chunk: null, turn: -1 }));
    if (to === 'CANCELING') await deps.jobs.enqueue(tx, endings);
    if (to === 'RUNNING') await handOut(deps, tx, request.projectId);
    else await standDown(deps, tx, tasks);
    return tasks;
  });
  for (const task of changed) {
    deps.log.info('task.steered', { task: task.id, state: task.state, actor: request.actor });
    deps.publish(task);
  }
  return changed;
}

/** Takes tasks of one project out of the line, for its others to come forward. */
async function standDown(deps: EngineDeps, tx: Tx, tasks: readonly Snapshot[]): Promise<void> {
  const [first] = tasks;
  if (first === undefined) return;
  await leaveLine(
    tx,
    tasks.map(({ id }) => id),
  );
  await handOut(deps, tx, first.projectId);
}
