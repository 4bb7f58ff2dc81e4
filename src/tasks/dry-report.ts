import { sql } from 'kysely';
import type { Database, Tx } from '../db/client.ts';
import type { Failure } from './operation.ts';

/** What would become of an item if a dry run were run. */
export const itemOutcomes = ['CREATED', 'UPDATED', 'SKIPPED', 'FAILED'] as const;
export type ItemOutcome = (typeof itemOutcomes)[number];

/** How many items would come to each. */
export type OutcomeCounts = Readonly<Record<ItemOutcome, number>>;

/** Of one chunk, in row order; kept with it. */
export interface DryReport {
  /** Of the chunks before it too. */
  readonly counts: OutcomeCounts;
  readonly rows: readonly (readonly [key: string | null, outcome: ItemOutcome])[];
}

/** What so many items of a dry run come to, counted from its first: as many as it had processed at some moment, since it takes its chunks
 *  in their order. */
export async function countOutcomes(db: Database | Tx, taskId: string, processed: number): Promise<OutcomeCounts> {
  if (processed === 0) return countRows([]);
  const { rows } = await sql<{ counts: OutcomeCounts }>`
    select report->'counts' as counts from chunks
    where task_id = ${taskId} and first_row + size - 1 = ${processed}`.execute(db);
  const [chunk] = rows;
  if (chunk === undefined) throw new Error(`no chunk of the dry run ${taskId} ends with item ${processed}`);
  return chunk.counts;
}

/** Those of a chunk added to those of the chunks before it. */
export function countRows(rows: DryReport['rows'], before?: OutcomeCounts): OutcomeCounts {
  const counts = { CREATED: 0, UPDATED: 0, SKIPPED: 0, FAILED: 0, ...before };
  for (const [, outcome] of rows) counts[outcome] += 1;
  return counts;
}

/** What would become of one item. */
export interface ToldOutcome {
  readonly row: number;
  readonly key: string | null;
  readonly outcome: ItemOutcome;
  /** Why it would be refused. */
  readonly failure: Failure | undefined;
}

/** One page of what a dry run has come to so far, in row order, after row `afterRow`. */
export async function listOutcomes(
  db: Database,
  taskId: string,
  page: { readonly afterRow: number; readonly limit: number },
): Promise<ToldOutcome[]> {
  const { afterRow, limit } = page;
  const { rows } = await sql<{ number: number; told: DryReport['rows'][number]; code: string; message: string }>`
    select c.first_row + t.position::integer - 1 as number, t.told, f.code, f.message
    from chunks as c cross join json_array_elements(c.report->'rows') with ordinality as t(told, position)
      left join failures as f on f.task_id = ${taskId} and f.row_number = c.first_row + t.position - 1
    where c.task_id = ${taskId} and c.first_row + c.size - 1 > ${afterRow} and c.first_row <= ${afterRow + limit}
      and c.first_row + t.position - 1 > ${afterRow}
    order by number limit ${limit}`.execute(db);
  return rows.map(({ number: row, told: [key, outcome], code, message }) => ({
    row,
    key,
    outcome,
    failure: outcome === 'FAILED' ? { row, key, code, message } : undefined,
  }));
}
