import { type RawBuilder, sql } from 'kysely';
import type { CustomerRow, OrderRow, ProductRow, SkuRow } from '../db/catalog-tables.ts';
import type { Database, Tx } from '../db/client.ts';
import { notFound } from '../errors.ts';
import { isStorable } from '../tasks/input.ts';
import { type Filters, passing } from './filters.ts';

/** How a record is found and listed, whatever it is of those that have an id of ours and one of the caller's. */
export interface RecordRows {
  readonly customers: CustomerRow;
  readonly orders: OrderRow;
  readonly products: ProductRow;
  readonly skus: SkuRow;
}

/** The project's record of this id or, failing that, of this source id. */
export async function findRecord<Table extends keyof RecordRows>(
  db: Database | Tx,
  table: Table,
  projectId: string,
  idOrSourceId: string,
): Promise<RecordRows[Table] | undefined> {
  // Postgres takes no text with a NUL, so no record has one.
  if (!isStorable(idOrSourceId)) return undefined;
  const { rows } = await sql<RecordRows[Table]>`
    select * from ${sql.table(table)}
    where project_id = ${projectId}::uuid and (id = ${idOrSourceId} or source_id = ${idOrSourceId})
    order by id = ${idOrSourceId} desc limit 1`.execute(db);
  return rows[0];
}

/** The same; throws NOT_FOUND. */
export async function requireRecord<Table extends keyof RecordRows>(
  db: Database | Tx,
  table: Table,
  projectId: string,
  idOrSourceId: string,
): Promise<RecordRows[Table]> {
  const found = await findRecord(db, table, projectId, idOrSourceId);
  if (found === undefined) throw notFound(kinds[table], idOrSourceId);
  return found;
}

const kinds = { customers: 'customer', orders: 'order', products: 'product', skus: 'sku' } as const;

/** A page of a list, counted from 1. */
export interface Page {
  readonly limit: number;
  readonly page: number;
}

/** A page of a list and how many records the whole list has. */
export interface Listed<Row> {
  readonly rows: readonly Row[];
  readonly total: number;
}

/** How a list may be sorted; the id settles ties. */
const sortings = {
  created_at: sql`created_at, id`,
  '-created_at': sql`created_at desc, id desc`,
  updated_at: sql`updated_at nulls last, id`,
  '-updated_at': sql`updated_at desc nulls last, id desc`,
} as const;
export type RecordOrder = keyof typeof sortings;

/** Every way in which a list can be sorted. */
export const recordOrders = [
  'created_at',
  '-created_at',
  'updated_at',
  '-updated_at',
] as const satisfies readonly RecordOrder[];

/** Which records a list holds, and how: without an order the newest first. What is undefined does not narrow it. */
export interface RecordList extends Page {
  readonly order?: RecordOrder | undefined;
  readonly filters?: Filters | undefined;
  /** Their `created_at` at the least and at the most. */
  readonly createdFrom?: Date | undefined;
  readonly createdTill?: Date | undefined;
  /** SKUs: those of the product of this id. */
  readonly productId?: string | undefined;
}

/** A page of the project's records, and how many there are on all. */
export async function listRecords<Table extends keyof RecordRows>(
  db: Database,
  table: Table,
  projectId: string,
  list: RecordList,
): Promise<Listed<RecordRows[Table]>> {
  const { limit, page, order } = list;
  const ours = sql`from ${sql.table(table)} where ${sql.join(conditionsOf(projectId, list), sql` and `)}`;
  // Ids begin with the time.
  const sorting = order === undefined ? sql`id desc` : sortings[order];
  const [{ rows }, { rows: counted }] = await Promise.all([
    sql<RecordRows[Table]>`select * ${ours} order by ${sorting} limit ${limit} offset ${(page - 1) * limit}`.execute(
      db,
    ),
    sql<{ total: number }>`select count(*) as total ${ours}`.execute(db),
  ]);
  return { rows, total: counted[0]?.total ?? 0 };
}

function conditionsOf(projectId: string, list: RecordList): RawBuilder<unknown>[] {
  const { filters, createdFrom, createdTill, productId } = list;
  return [
    sql`project_id = ${projectId}::uuid`,
    ...(filters === undefined ? [] : [passing(filters)]),
    ...(createdFrom === undefined ? [] : [sql`created_at >= ${createdFrom}`]),
    ...(createdTill === undefined ? [] : [sql`created_at <= ${createdTill}`]),
    ...(productId === undefined ? [] : [sql`product_id = ${productId}`]),
  ];
}
