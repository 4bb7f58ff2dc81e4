import { sql } from 'kysely';
import { z } from 'zod';
import type { Tx } from '../db/client.ts';
import type { AnyOperation, ApplyContext, Chunk, Failure, Outcome } from './operation.ts';
import { type FoundRecord, findRecords, namesIn } from './records.ts';

/** What an undo task has in its parameters, beside those of the task that it undoes. */
export const undoParameters = z.object({ undoneTask: z.string() });

/** The operation with the taking back of its work for `apply`. */
export function undoing(operation: AnyOperation): AnyOperation {
  const { undo, records } = operation;
  if (undo !== undefined) return { ...operation, apply: undo };
  if (records === undefined) throw new Error(`what ${operation.name} does cannot be undone`);
  return { ...operation, apply: (chunk, context) => deleteRecords(operation, chunk, context) };
}

/** Whether what an operation does can be taken back. */
export function canUndo({ undo, records }: AnyOperation): boolean {
  return undo !== undefined || records !== undefined;
}

/** Deletes the records that the undone task made for these items, unless somebody has changed them since or refers to them. */
async function deleteRecords(
  { records }: AnyOperation,
  chunk: Chunk<unknown>,
  context: ApplyContext,
): Promise<Outcome> {
  if (records === undefined) throw new Error('an operation without records');
  const { tx, projectId, parameters } = context;
  const { undoneTask } = undoParameters.parse(parameters);
  const names = chunk.items.map(namesIn(records, parameters));
  const refused = await readRefusedRows(tx, undoneTask, chunk);
  await records.lock?.(context);
  const wanted = names.filter((_, index) => !refused.has(chunk.firstRow + index)).flat();
  const find = await findRecords(tx, projectId, records.kind, [...new Set(wanted)], { lock: true });
  const startedAt = await readStart(tx, undoneTask);
  const mine = names
    .flatMap((ofItem) => find(ofItem) ?? [])
    .filter(({ createdByTask }) => createdByTask === undoneTask);
  const used = await readUsed(context, records.kind, [...new Set(mine.map(({ id }) => id))]);
  const failures: Failure[] = [];
  const deleted = new Set<string>();
  for (const [index, ofItem] of names.entries()) {
    const row = chunk.firstRow + index;
    if (refused.has(row)) continue;
    const record = find(ofItem);
    const refusal = ofItem.length === 0 ? unnamed : record && refuse(record, { undoneTask, startedAt, used });
    if (refusal !== undefined) failures.push({ row, key: ofItem.at(-1) ?? null, ...refusal });
    else if (record !== undefined) deleted.add(record.id);
  }
  await sql`delete from ${sql.table(records.kind.table)} where id = any(${[...deleted]}::text[])`.execute(tx);
  return { failures };
}

type Refusal = Pick<Failure, 'code' | 'message'>;

const unnamed: Refusal = {
  code: 'NOT_NAMED',
  message: 'The row names no record by an id of its own, so that the one made of it cannot be found',
};

function refuse(
  record: FoundRecord,
  { undoneTask, startedAt, used }: { undoneTask: string; startedAt: Date | undefined; used: ReadonlySet<string> },
): Refusal | undefined {
  if (record.createdByTask !== undoneTask) {
    return startedAt !== undefined && record.createdAt < startedAt
      ? { code: 'EXISTED_BEFORE', message: 'The record was there before the task, and its earlier values are not kept' }
      : { code: 'CHANGED_SINCE', message: 'The record has been changed or made anew since' };
  }
  return used.has(record.id) ? { code: 'IN_USE', message: 'Other records refer to this one' } : undefined;
}

async function readRefusedRows(tx: Tx, taskId: string, { firstRow, size }: Chunk<unknown>): Promise<Set<number>> {
  const rows = await tx
    .selectFrom('failures')
    .select('row_number')
    .where('task_id', '=', taskId)
    .where('row_number', '>=', firstRow)
    .where('row_number', '<', firstRow + size)
    .execute();
  return new Set(rows.map((row) => row.row_number));
}

async function readStart(tx: Tx, taskId: string): Promise<Date | undefined> {
  const row = await tx.selectFrom('tasks').select('created_at').where('id', '=', taskId).executeTakeFirst();
  return row?.created_at;
}

async function readUsed(
  { tx, projectId }: ApplyContext,
  { usedAmong }: NonNullable<AnyOperation['records']>['kind'],
  ids: readonly string[],
): Promise<Set<string>> {
  if (usedAmong === undefined || ids.length === 0) return new Set();
  const { rows } = await usedAmong(projectId, ids).execute(tx);
  return new Set(rows.map(({ id }) => id));
}
