import { sql } from 'kysely';
import type { Database, Tx } from '../db/client.ts';
import type { Failure } from './operation.ts';
import type { Snapshot } from './snapshot.ts';

/** Stores the failures of one chunk, in one statement. What cannot be stored of a refused item shows as a replacement. */
export async function insertFailures(tx: Tx, taskId: string, failures: readonly Failure[]): Promise<void> {
  if (failures.length === 0) return;
  await sql`
    insert into failures (task_id, row_number, key, code, message)
    select ${taskId}, * from unnest(
      ${failures.map((failure) => failure.row)}::integer[],
      ${failures.map((failure) => failure.key && toStorable(failure.key, maxKeyCharacters))}::text[],
      ${failures.map((failure) => failure.code)}::text[],
      ${failures.map((failure) => toStorable(failure.message, maxMessageCharacters))}::text[]
    )`.execute(tx);
}

/** Longer ones are cut: they are for telling an item from others, not for keeping it. */
const maxKeyCharacters = 1_000;
const maxMessageCharacters = 2_000;

function toStorable(text: string, maxCharacters: number): string {
  return text.slice(0, maxCharacters).replaceAll('\0', '\ufffd').toWellFormed();
}

/** One page of a task's failures in row order, after row `afterRow`. */
export async function listFailures(
  db: Database,
  taskId: string,
  page: { readonly afterRow: number; readonly limit: number },
): Promise<Failure[]> {
  const rows = await db
    .selectFrom('failures')
    .select(['row_number', 'key', 'code', 'message'])
    .where('task_id', '=', taskId)
    .where('row_number', '>', page.afterRow)
    .orderBy('row_number')
    .limit(page.limit)
    .execute();
  return rows.map((row) => ({ row: row.row_number, key: row.key, code: row.code, message: row.message }));
}

/** A failure that tells where its item came from. */
export interface TracedFailure extends Failure {
  /** In a task that tries failures again: the row of the item in its parent. Null in any other, and when the parent is gone. */
  readonly originalRow: number | null;
}

/** Where a page begins: after that failure; its `originalRow`, if known, saves counting the parent's failures from the first one. */
export interface TracedPage {
  readonly after: Pick<TracedFailure, 'row' | 'originalRow'>;
  readonly limit: number;
}

/** The same page, traced: row n of a task that tries failures again is the n-th failure of its parent, which is of the same kind. */
export async function listTracedFailures(
  db: Database,
  { id, parentId, kind }: Pick<Snapshot, 'id' | 'parentId' | 'kind'>,
  { after, limit }: TracedPage,
): Promise<TracedFailure[]> {
  if (parentId === null) {
    const failures = await listFailures(db, id, { afterRow: after.row, limit });
    return failures.map((failure) => ({ ...failure, originalRow: null }));
  }
  const counted = after.originalRow === null ? 0 : after.row;
  const { rows } = await sql<TracedFailure>`
    with page as materialized (
      select row_number, key, code, message from failures
      where task_id = ${id} and row_number > ${after.row} order by row_number limit ${limit}
    ), retried as (
      select row_number as original_row, ${counted}::integer + row_number() over (order by row_number) as row_number
      from (
        select row_number from failures
        where task_id = (select id from tasks where id = ${parentId} and kind = ${kind})
          and row_number > ${after.originalRow ?? 0}
        order by row_number limit (select coalesce(max(row_number) - ${counted}::integer, 0) from page)
      ) as failed
    )
    select page.row_number as row, key, code, message, original_row as "originalRow"
    from page left join retried using (row_number) order by page.row_number`.execute(db);
  return rows;
}
