import { sql } from 'kysely';
import type { Database, Tx } from '../db/client.ts';
import type { JsonObject } from '../db/json.ts';
import { rowsAs } from '../db/rows.ts';
import type { FilterFields } from './filters.ts';

/** The SQL on customers alone. */

/** What a project knows of a customer. The birthdate is a day, `2000-12-31`; metadata is null where there is none. */
export interface CustomerProfile {
  readonly name: string | null;
  readonly description: string | null;
  readonly email: string | null;
  readonly phone: string | null;
  readonly birthdate: string | null;
  readonly address: JsonObject | null;
  readonly metadata: JsonObject | null;
}

/** A customer as it is written. */
export interface CustomerRecord extends CustomerProfile {
  readonly id: string;
  readonly source_id: string | null;
}

/** What a list can be filtered by. */
export const customerFields: FilterFields = {
  id: { column: 'id', holds: 'text' },
  source_id: { column: 'source_id', holds: 'text' },
  name: { column: 'name', holds: 'text' },
  description: { column: 'description', holds: 'text' },
  email: { column: 'email', holds: 'text' },
  phone: { column: 'phone', holds: 'text' },
  birthdate: { column: 'birthdate', holds: 'text' },
  created_at: { column: 'created_at', holds: 'moment' },
  updated_at: { column: 'updated_at', holds: 'moment' },
};

const profileTypes = {
  name: 'text',
  description: 'text',
  email: 'text',
  phone: 'text',
  birthdate: 'text',
  address: 'jsonb',
  metadata: 'jsonb',
} as const satisfies { [Column in keyof CustomerProfile]: string };
const profileColumns = Object.keys(profileTypes).map((column) => sql.ref(column));

/** The project's customers that have one of these ids or source ids, locked until the transaction ends: nobody else changes
 *  them meanwhile. In the order of their ids, so that two chunks wait for each other instead of deadlocking. */
export async function lockCustomers(
  tx: Tx,
  projectId: string,
  ids: readonly string[],
  sourceIds: readonly string[],
): Promise<CustomerRecord[]> {
  const { rows } = await sql<CustomerRecord>`
    select id, source_id, ${sql.join(profileColumns)} from customers
    where project_id = ${projectId}::uuid and (id = any(${ids}::text[]) or source_id = any(${sourceIds}::text[]))
    order by id for update`.execute(tx);
  return rows;
}

/** Inserts the customers whose source id is new to the project and returns the ids of those that it inserted. */
export async function insertCustomers(
  tx: Tx,
  projectId: string,
  records: readonly CustomerRecord[],
): Promise<Set<string>> {
  if (records.length === 0) return new Set();
  const sorted = [...records].sort((a, b) => ((a.source_id ?? '') < (b.source_id ?? '') ? -1 : 1));
  const columns = sql.join([sql.ref('id'), sql.ref('source_id'), ...profileColumns]);
  const { rows } = await sql<{ id: string }>`
    insert into customers (project_id, ${columns})
    select ${projectId}::uuid, ${columns} from ${asRows(sorted)}
    on conflict (project_id, source_id) do nothing
    returning id`.execute(tx);
  return new Set(rows.map((row) => row.id));
}

/** Overwrites the profiles of customers that this transaction has locked. */
export async function overwriteCustomers(tx: Tx, projectId: string, records: readonly CustomerRecord[]): Promise<void> {
  if (records.length === 0) return;
  await sql`
    update customers set (${sql.join(profileColumns)}, updated_at)
      = row(${sql.join(Object.keys(profileTypes).map((column) => sql.ref(`r.${column}`)))}, clock_timestamp())
    from ${asRows(records)}
    where customers.id = r.id and customers.project_id = ${projectId}::uuid`.execute(tx);
}

/** What a customer ordered, canceled orders aside; amounts in minor units. */
export interface OrderSummary {
  readonly customer_id: string;
  readonly total_count: number;
  readonly total_amount: number;
  readonly last_order_amount: number;
  readonly last_order_date: Date;
}

/** The orders of each of these customers that has any. */
export async function summarizeOrders(
  db: Database,
  projectId: string,
  customerIds: readonly string[],
): Promise<ReadonlyMap<string, OrderSummary>> {
  const { rows } = await sql<OrderSummary>`
    select customer_id, count(*) as total_count, coalesce(sum(amount), 0)::bigint as total_amount,
      coalesce((array_agg(amount order by created_at desc, id desc))[1], 0) as last_order_amount,
      max(created_at) as last_order_date
    from orders
    where project_id = ${projectId}::uuid and customer_id = any(${customerIds}::text[]) and status <> 'CANCELED'
    group by customer_id`.execute(db);
  return new Map(rows.map((row) => [row.customer_id, row]));
}

/** Deletes a customer; its orders stay, without a customer. False when there is none of this id. */
export async function deleteCustomer(db: Database, projectId: string, id: string): Promise<boolean> {
  const { numDeletedRows } = await db
    .deleteFrom('customers')
    .where('project_id', '=', projectId)
    .where('id', '=', id)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

function asRows(records: readonly CustomerRecord[]) {
  const rows = records.map((record) => ({
    ...record,
    address: record.address && JSON.stringify(record.address),
    metadata: record.metadata && JSON.stringify(record.metadata),
  }));
  return rowsAs('r', { id: 'text', source_id: 'text', ...profileTypes }, rows);
}
