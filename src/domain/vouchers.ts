import { type RawBuilder, sql } from 'kysely';
import type { Tx } from '../db/client.ts';
import { rowsAs } from '../db/rows.ts';
import { unlessTaken } from '../db/savepoint.ts';
import { newRecordIds } from './ids.ts';

/** A voucher as an import writes it. Money in minor units; `discount` and the like are JSON texts. */
export interface VoucherRecord {
  readonly code: string;
  readonly type: 'DISCOUNT_VOUCHER' | 'GIFT_VOUCHER';
  readonly discount: string | null;
  readonly gift_amount: number | null;
  readonly gift_effect: string | null;
  readonly redeemed_amount: number;
  readonly category: string | null;
  readonly start_date: Date | null;
  readonly expiration_date: Date | null;
  readonly validity_timeframe: string | null;
  /** A Postgres array text such as `{1,5}`. */
  readonly validity_day_of_week: string | null;
  readonly redemption_quantity: number | null;
  readonly redeemed_quantity: number;
  readonly active: boolean;
  readonly additional_info: string | null;
  readonly metadata: string;
}

const recordTypes = {
  code: 'text',
  type: 'text',
  discount: 'jsonb',
  gift_amount: 'bigint',
  gift_effect: 'text',
  redeemed_amount: 'bigint',
  category: 'text',
  start_date: 'timestamptz',
  expiration_date: 'timestamptz',
  validity_timeframe: 'jsonb',
  validity_day_of_week: 'smallint[]',
  redemption_quantity: 'integer',
  redeemed_quantity: 'integer',
  active: 'boolean',
  additional_info: 'text',
  metadata: 'jsonb',
} as const satisfies { [Column in keyof VoucherRecord]: string };
const columns = Object.keys(recordTypes) as (keyof VoucherRecord)[];
const columnList = sql.join(columns.map((column) => sql.ref(column)));

/** What `created_by_task` is by default, looked up once for the statement and not for each row. */
export const currentTask = sql`(select nullif(current_setting('bulkcast.task', true), ''))`;

/** A column that an update may overwrite. */
export type UpdatableColumn = Exclude<keyof VoucherRecord, 'code' | 'type' | 'redeemed_quantity' | 'redeemed_amount'>;

/** Inserts the vouchers whose code is new to the project and returns the codes of the others. Codes must differ. */
export async function insertVouchers(
  tx: Tx,
  projectId: string,
  records: readonly VoucherRecord[],
): Promise<ReadonlySet<string>> {
  return insertOr(tx, projectId, records, sql`on conflict (project_id, code) do nothing`);
}

/**
 * Inserts vouchers or, where the code exists, overwrites `updated`. An existing voucher is left alone when its type or its
 * kind of discount differs, when more than the new gift amount is already redeemed, or when it is in the bin. Returns the
 * codes of those. Codes must differ.
 */
export async function upsertVouchers(
  tx: Tx,
  projectId: string,
  records: readonly VoucherRecord[],
  updated: readonly UpdatableColumn[],
): Promise<ReadonlySet<string>> {
  const assignments = updated.map((column) => sql`${sql.ref(column)} = excluded.${sql.ref(column)}`);
  const update = sql`
    on conflict (project_id, code) do update set ${sql.join([...assignments, sql`updated_at = clock_timestamp()`])}
    where vouchers.deleted_at is null and vouchers.type = excluded.type
      and vouchers.discount->>'type' is not distinct from excluded.discount->>'type'
      and vouchers.redeemed_amount <= coalesce(excluded.gift_amount, 0)`;
  return insertOr(tx, projectId, records, update);
}

/** Inserts without looking for conflicts first, which costs Postgres a third less: most imports bring new codes only. */
async function insertOr(
  tx: Tx,
  projectId: string,
  records: readonly VoucherRecord[],
  onConflict: RawBuilder<unknown>,
): Promise<ReadonlySet<string>> {
  if (records.length === 0) return new Set();
  const insert = sql`
    insert into vouchers (id, project_id, created_by_task, ${columnList})
    select id, ${projectId}::uuid, ${currentTask}, ${columnList} from ${withIds(records)}`;
  const areNew = await unlessTaken(tx, 'vouchers_project_id_code_key', () => insert.execute(tx));
  if (areNew) return new Set();
  const { rows } = await sql<{ code: string }>`${insert} ${onConflict} returning code`.execute(tx);
  const written = new Set(rows.map((row) => row.code));
  return new Set(records.map(({ code }) => code).filter((code) => !written.has(code)));
}

/** Which of the codes exist in the project, in the bin too. */
export async function findTakenCodes(
  tx: Tx,
  projectId: string,
  codes: readonly string[],
): Promise<Map<string, { readonly isDeleted: boolean }>> {
  const { rows } = await sql<{ code: string; isDeleted: boolean }>`
    select code, deleted_at is not null as "isDeleted" from vouchers
    where project_id = ${projectId}::uuid and code = any(${codes}::text[])`.execute(tx);
  return new Map(rows.map((row) => [row.code, row]));
}

/** In the order of their codes, so that two chunks with the same codes wait for each other instead of deadlocking. */
function withIds(records: readonly VoucherRecord[]) {
  const sorted = [...records].sort((a, b) => (a.code < b.code ? -1 : 1));
  return rowsAs('r', recordTypes, sorted, newRecordIds('v_', sorted.length));
}
