import { sql } from 'kysely';
import type { SkuRow } from '../db/catalog-tables.ts';
import type { Database, Tx } from '../db/client.ts';
import { rowsAs } from '../db/rows.ts';
import { newHexIds } from './hex-ids.ts';

/** The SQL on SKUs alone. A source id is unique in the project's whole catalogue, whatever the product. */

/** A SKU as an import writes it. `attributes` and `metadata` are JSON texts. */
export interface SkuRecord {
  readonly product_id: string;
  readonly source_id: string;
  readonly sku: string | null;
  /** Minor units. */
  readonly price: number | null;
  readonly attributes: string;
  readonly image_url: string | null;
  readonly metadata: string;
}

const recordTypes = {
  product_id: 'text',
  source_id: 'text',
  sku: 'text',
  price: 'bigint',
  attributes: 'jsonb',
  image_url: 'text',
  metadata: 'jsonb',
} as const satisfies { [Column in keyof SkuRecord]: string };
const columnList = sql.join(Object.keys(recordTypes).map((column) => sql.ref(column)));

/** The ids of the products that have these SKUs, by the SKUs' source ids. */
export async function readSkuOwners(
  tx: Tx,
  projectId: string,
  sourceIds: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (sourceIds.length === 0) return new Map();
  const { rows } = await sql<{ source_id: string; product_id: string }>`
    select source_id, product_id from skus
    where project_id = ${projectId}::uuid and source_id = any(${sourceIds}::text[])`.execute(tx);
  return new Map(rows.map((row) => [row.source_id, row.product_id]));
}

/**
 * Inserts SKUs or, where the source id exists in the same product, overwrites `updated`. One that another product has is left
 * alone. Returns the source ids that were written. Source ids must differ.
 */
export async function upsertSkus(
  tx: Tx,
  projectId: string,
  records: readonly SkuRecord[],
  updated: readonly ('sku' | 'price')[],
): Promise<ReadonlySet<string>> {
  if (records.length === 0) return new Set();
  const sorted = [...records].sort((a, b) => (a.source_id < b.source_id ? -1 : 1));
  const ids = newHexIds('sku_', sorted.length);
  const assignments = updated.map((column) => sql`${sql.ref(column)} = excluded.${sql.ref(column)}`);
  const { rows: written } = await sql<{ source_id: string }>`
    insert into skus (id, project_id, ${columnList})
    select id, ${projectId}::uuid, ${columnList} from ${rowsAs('r', recordTypes, sorted, ids)}
    on conflict (project_id, source_id) do update set ${sql.join([...assignments, sql`updated_at = clock_timestamp()`])}
    where skus.product_id = excluded.product_id
    returning source_id`.execute(tx);
  return new Set(written.map((row) => row.source_id));
}

/** The newest SKUs of each of these products, at most `limit` for each, and how many each has. */
export async function listSkusOfProducts(
  db: Database | Tx,
  productIds: readonly string[],
  limit: number,
): Promise<ReadonlyMap<string, { skus: SkuRow[]; total: number }>> {
  if (productIds.length === 0) return new Map();
  const rows = await db
    .selectFrom((eb) =>
      eb
        .selectFrom('skus')
        .selectAll()
        .select([
          sql<number>`row_number() over (partition by product_id order by id desc)`.as('place'),
          sql<number>`count(*) over (partition by product_id)`.as('total'),
        ])
        .where('product_id', 'in', [...productIds])
        .as('s'),
    )
    .selectAll()
    .where('place', '<=', limit)
    .orderBy('product_id')
    .orderBy('place')
    .execute();
  const byProduct = Map.groupBy(rows, (row) => row.product_id);
  return new Map([...byProduct].map(([id, skus]) => [id, { skus, total: skus[0]?.total ?? 0 }]));
}

/** Deletes the project's SKU of this id for good. */
export async function deleteSku(db: Database, projectId: string, id: string): Promise<void> {
  await db.deleteFrom('skus').where('project_id', '=', projectId).where('id', '=', id).execute();
}
