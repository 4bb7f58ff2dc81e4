import { sql } from 'kysely';
import type { Database } from '../db/client.ts';
import type { Failure } from './operation.ts';

/** What would become of an item if a dry run were run. */
export const itemOutcomes = ['CREATED', 'UPDATED', 'SKIPPED', 'FAILED'] as const;
export type ItemOutcome = (typeof itemOutcomes)[number];

/** Of one chunk, in row order; kept with it. */
export interface DryReport {
  /** Records that all chunks so far would have made. */
  readonly created: number;
  readonly rows: readonly (readonly [key: string | null, outcome: ItemOutcome])[];
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
