import { sql } from 'kysely';
import type { Tx } from '../db/client.ts';
import type { TaskRow } from '../db/tables.ts';
import { badInput } from '../errors.ts';
import { type EngineDeps, operationOf } from './engine.ts';
import { holdItems } from './expiry.ts';
import { newTaskId } from './ids.ts';
import type { AnyOperation } from './operation.ts';
import { type Snapshot, toSnapshot } from './snapshot.ts';
import { type KeyedRequest, type Started, startOnce } from './start.ts';
import { isFinal, priorityOf } from './state.ts';
import { insertTask, readClock } from './store.ts';
import { handOut } from './turns.ts';
import { canUndo } from './undo.ts';

/** What its owner asks to be done with the items of a task that has ended. */
export interface FollowUpRequest extends KeyedRequest {
  /** Of that task. */
  readonly id: string;
  /** Who asks: an app id or a merchant. */
  readonly actor: string;
  readonly reason?: string | undefined;
}

/** Starts the task that a dry run has tried, with the items that are staged already; once, unless that one FAILED or was canceled.
 *  Throws BAD_USER_INPUT when it is no dry run, or has not SUCCEEDED, IDEMPOTENCY_KEY_IN_USE or IDEMPOTENCY_KEY_REUSED. */
export async function runDryRun(deps: EngineDeps, request: FollowUpRequest): Promise<Snapshot> {
  return followUp(deps, request, {
    kind: 'RUN',
    name: 'tasks.run_dry_run',
    check({ kind, state }) {
      if (kind !== 'DRY_RUN') throw badInput(['id'], 'NO_DRY_RUN', 'This task is no dry run');
      if (state !== 'SUCCEEDED') throw badInput(['id'], 'NOT_SUCCEEDED', `A dry run that is ${state} cannot be run`);
    },
    settle: async (tx, { projectId, parameters }, operation) =>
      (await operation.replan?.(parameters, { tx, projectId, limits: deps.limits })) ?? parameters,
  });
}

/** Starts a task that takes back what this one did, where nothing has used it: its rows are those of the undone task. Once, unless
 *  the undo FAILED or was canceled. Throws BAD_USER_INPUT when there is nothing that can be taken back, or the task has not ended,
 *  IDEMPOTENCY_KEY_IN_USE or IDEMPOTENCY_KEY_REUSED. */
export async function undoTask(deps: EngineDeps, request: FollowUpRequest): Promise<Snapshot> {
  return followUp(deps, request, {
    kind: 'UNDO',
    name: 'tasks.undo',
    check({ kind, state, succeeded }, operation) {
      if (!isFinal(state)) throw badInput(['id'], 'NOT_ENDED', `A task that is ${state} cannot be undone yet`);
      if (kind !== 'RUN' || !canUndo(operation)) {
        throw badInput(['id'], 'NOT_UNDOABLE', 'Only an issuance or an import can be undone');
      }
      if (succeeded === 0) throw badInput(['id'], 'NOTHING_DONE', 'No item of this task was applied');
    },
    settle: async (_tx, { id, parameters }) => ({ ...parameters, undoneTask: id }),
  });
}

interface FollowUp {
  readonly kind: 'RUN' | 'UNDO';
  /** Stored with an idempotency key: never changed. */
  readonly name: string;
  check(parent: Snapshot, operation: AnyOperation): void;
  settle(tx: Tx, parent: Snapshot, operation: AnyOperation): Promise<Snapshot['parameters']>;
}

async function followUp(deps: EngineDeps, request: FollowUpRequest, what: FollowUp): Promise<Snapshot> {
  const { id, reason } = request;
  const asked = { operation: what.name, input: { id, reason } };
  return startOnce(deps, request, asked, async (tx): Promise<Started> => {
    const row = await takeParent(tx, request);
    const parent = toSnapshot(row);
    const operation = operationOf(deps.operations, parent.operation);
    what.check(parent, operation);
    const before = await findStanding(tx, id, what.kind);
    if (before !== undefined) return { task: before, isNew: false };
    const parameters = await what.settle(tx, parent, operation);
    const task = await writeFollowUp(tx, row, { ...request, kind: what.kind, parameters });
    await deps.entered(tx, task);
    await handOut(deps, tx, request.projectId);
    return { task, isNew: true };
  });
}

/** Takes a project's task for this transaction, so that of two requests one finds what the other has started. Throws BAD_USER_INPUT
 *  when there is none. */
export async function takeParent(
  tx: Tx,
  { id, projectId }: Pick<FollowUpRequest, 'id' | 'projectId'>,
): Promise<TaskRow> {
  const row = await tx
    .selectFrom('tasks')
    .selectAll()
    .where('id', '=', id)
    .where('project_id', '=', projectId)
    .forNoKeyUpdate()
    .executeTakeFirst();
  if (row === undefined) throw badInput(['id'], 'NOT_FOUND', `Cannot find bulk task with id ${id}`);
  return row;
}

/** The task of this kind that was started for it before, if it did not come to nothing. */
export async function findStanding(tx: Tx, parentId: string, kind: FollowUp['kind']): Promise<Snapshot | undefined> {
  const row = await tx
    .selectFrom('tasks')
    .selectAll()
    .where('parent_id', '=', parentId)
    .where('kind', '=', kind)
    .where('state', 'not in', ['FAILED', 'CANCELED'])
    .executeTakeFirst();
  return row && toSnapshot(row);
}

async function writeFollowUp(
  tx: Tx,
  parent: TaskRow,
  task: FollowUpRequest & Pick<FollowUp, 'kind'> & Pick<Snapshot, 'parameters'>,
): Promise<Snapshot> {
  const { model, operation } = parent;
  const createdAt = await readClock(tx);
  const id = newTaskId(model, createdAt);
  await holdItems(tx, parent.id);
  const total = await copyChunks(tx, parent.id, id);
  if (total !== parent.processed) throw new Error(`the task ${parent.id} has lost items`);
  const { projectId, requestId, actor, reason, kind, parameters } = task;
  return insertTask(tx, {
    id,
    projectId,
    model,
    operation,
    kind,
    parameters,
    total,
    requestId,
    createdAt,
    priority: priorityOf(parent.priority),
    parentId: parent.id,
    startedBy: actor,
    reason,
  });
}

/** Stages what a task has applied once more, under the same numbers. Returns how many items there are. */
async function copyChunks(tx: Tx, from: string, to: string): Promise<number> {
  const { rows } = await sql<{ total: number }>`
    with copied as (
      insert into chunks (task_id, number, first_row, size, items)
      select ${to}, number, first_row, size, items from chunks where task_id = ${from} and applied_at is not null
      returning size
    )
    select coalesce(sum(size), 0) as total from copied`.execute(tx);
  return rows[0]?.total ?? 0;
}
