import { sql } from 'kysely';
import type { Database, Tx } from '../db/client.ts';
import type { Failure } from './operation.ts';

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
