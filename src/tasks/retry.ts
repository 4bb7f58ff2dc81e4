import { sql } from 'kysely';
import type { Database, Tx } from '../db/client.ts';
import { badInput } from '../errors.ts';
import { readItems } from './chunks.ts';
import { type EngineDeps, operationOf } from './engine.ts';
import { holdItems } from './expiry.ts';
import { type FollowUpRequest, findStanding, takeParent } from './follow-ups.ts';
import { isStorable, unstorable } from './input.ts';
import type { Plan } from './operation.ts';
import { type Snapshot, toSnapshot } from './snapshot.ts';
import { stageTask, startOnce } from './start.ts';
import { isFinal } from './state.ts';
import { readClock } from './store.ts';
import { handOut } from './turns.ts';

/** An item that takes the place of a failed one. */
export interface CorrectedItem {
  /** Of the failure. */
  readonly row: number;
  readonly item: unknown;
}

export interface RetryRequest extends FollowUpRequest {
  readonly corrections?: readonly CorrectedItem[] | undefined;
}

/**
 * Starts a task of the failed items only, in their order: row n is the n-th failure. The task must have ended, have failures, be neither
 * undone nor tried again already, and its items must still be kept. Throws BAD_USER_INPUT otherwise, IDEMPOTENCY_KEY_IN_USE or IDEMPOTENCY_KEY_REUSED.
 */
export async function retryFailures(deps: EngineDeps, request: RetryRequest): Promise<Snapshot> {
  const { id, corrections = [], reason } = request;
  // Keys that are kept know of no reason where none was given.
  const input = { id, corrections, ...(reason !== undefined && { reason }) };
  return startOnce(deps, request, { operation: 'tasks.retry_failures', input }, async (tx) => ({
    task: await writeRetry(deps, tx, request),
    isNew: true,
  }));
}

async function writeRetry(deps: EngineDeps, tx: Tx, request: RetryRequest): Promise<Snapshot> {
  const { projectId, requestId, actor, reason } = request;
  const parent = await takeRetryable(tx, request);
  const operation = operationOf(deps.operations, parent.operation);
  const createdAt = await readClock(tx);
  const replan = parent.kind === 'RUN' ? operation.replan : undefined;
  const parameters = (await replan?.(parent.parameters, { tx, projectId, limits: deps.limits })) ?? parent.parameters;
  const items = await planItems(tx, parent, correctionsByRow(request.corrections ?? []));
  const { task } = await stageTask(
    deps,
    tx,
    operation,
    { parameters, items },
    {
      projectId,
      requestId,
      createdAt,
      priority: parent.priority,
      startedBy: actor,
      reason,
      parentId: parent.id,
      kind: parent.kind,
    },
  );
  await handOut(deps, tx, projectId);
  return task;
}

/** Takes the task for this transaction, so that two requests cannot both try it again. */
async function takeRetryable(tx: Tx, request: RetryRequest): Promise<Snapshot> {
  const { id } = request;
  const task = toSnapshot(await takeParent(tx, request));
  if (!isFinal(task.state)) throw badInput(['id'], 'NOT_ENDED', `A task that is ${task.state} may still have failures`);
  if (task.kind === 'UNDO') throw badInput(['id'], 'IS_UNDO', 'What could not be undone cannot be tried again');
  if (task.failed === 0) throw badInput(['id'], 'NO_FAILURES', 'No item of this task has failed');
  const undo = await findStanding(tx, id, 'UNDO');
  if (undo !== undefined) throw badInput(['id'], 'UNDONE', `This task is undone by ${undo.id}, its failures with it`);
  const child = await tx
    .selectFrom('tasks')
    .select('id')
    .where('parent_id', '=', id)
    .where('kind', '=', task.kind)
    // One that ended without any item done stands in nobody's way.
    .where((eb) => eb.or([eb('completed_at', 'is', null), eb('succeeded', '>', 0)]))
    .executeTakeFirst();
  if (child !== undefined) {
    throw badInput(['id'], 'ALREADY_RETRIED', `The failures of this task are tried again by ${child.id}`);
  }
  await holdItems(tx, id);
  return task;
}

function correctionsByRow(corrections: readonly CorrectedItem[]): Map<number, unknown> {
  const byRow = new Map<number, unknown>();
  for (const [index, { row, item }] of corrections.entries()) {
    if (byRow.has(row)) throw badInput(['corrections', index, 'row'], 'STANDS_TWICE', `Row ${row} stands twice`, row);
    byRow.set(row, item);
  }
  return byRow;
}

async function planItems(tx: Tx, parent: Snapshot, corrections: ReadonlyMap<number, unknown>): Promise<Plan['items']> {
  const rows = await findFailedRows(tx, parent.id, [...corrections.keys()]);
  for (const [index, [row, item]] of [...corrections].entries()) {
    const where = ['corrections', index] as const;
    if (!rows.has(row)) throw badInput([...where, 'row'], 'NO_FAILURE', `Row ${row} has not failed`, row);
    if (!isStorable(item)) throw badInput([...where, 'item'], 'INVALID', `A text ${unstorable}`);
  }
  const [first] = await readChunks(tx, parent.id, -1);
  if (first === undefined) throw new Error(`the task ${parent.id} has failures and no items`);
  if (first.items !== null) return failedItems(tx, parent.id, corrections);
  if (corrections.size > 0) throw badInput(['corrections'], 'NO_ITEMS', 'The items of this task are made by it');
  return { count: parent.failed };
}

async function* failedItems(tx: Tx, parentId: string, corrections: ReadonlyMap<number, unknown>) {
  let after = -1;
  for (;;) {
    const [chunk] = await readChunks(tx, parentId, after);
    if (chunk === undefined) return;
    after = chunk.number;
    const items = readItems(chunk.items);
    for (const row of chunk.rows) {
      const item = items[row - chunk.first_row];
      const corrected = corrections.get(row);
      if (corrected !== undefined && kindOf(corrected) !== kindOf(item)) {
        const index = [...corrections.keys()].indexOf(row);
        throw badInput(
          ['corrections', index, 'item'],
          'INVALID',
          `Row ${row} is ${kindOf(item)}, not ${kindOf(corrected)}`,
        );
      }
      yield corrected ?? item;
    }
  }
}

function kindOf(item: unknown): string {
  if (Array.isArray(item)) return item.every((cell) => typeof cell === 'string') ? 'a list of texts' : 'a list';
  return typeof item === 'object' ? 'an object' : `a ${typeof item}`;
}

/** The next chunk with failures after that number, with their rows. */
async function readChunks(tx: Tx, taskId: string, after: number) {
  const { rows } = await sql<{ number: number; first_row: number; items: Buffer | null; rows: number[] }>`
    select number, first_row, items, failed.rows
    from chunks, lateral (
      select array_agg(row_number order by row_number) as rows from failures
      where failures.task_id = chunks.task_id and row_number between first_row and first_row + size - 1
    ) as failed
    where task_id = ${taskId} and number > ${after} and failed.rows is not null
    order by number limit 1`.execute(tx);
  return rows;
}

async function findFailedRows(db: Database | Tx, taskId: string, rows: readonly number[]): Promise<Set<number>> {
  const { rows: found } = await sql<{ row_number: number }>`
    select row_number from failures where task_id = ${taskId} and row_number = any(${rows}::integer[])`.execute(db);
  return new Set(found.map(({ row_number }) => row_number));
}
