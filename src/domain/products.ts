import { sql } from 'kysely';
import type { Database, Tx } from '../db/client.ts';
import { rowsAs } from '../db/rows.ts';
import { newHexIds } from './hex-ids.ts';

/** The SQL on products alone. */

/** A product as a new one is made, and which of it an existing one takes. `attributes` and `metadata` are JSON texts. */
export interface ProductWrite {
  readonly source_id: string | null;
  readonly name: string | null;
  /** Minor units. */
  readonly price: number | null;
  readonly attributes: string;
  readonly image_url: string | null;
  readonly metadata: string;
  readonly sets_name: boolean;
  readonly sets_price: boolean;
  readonly sets_attributes: boolean;
  readonly sets_image_url: boolean;
  /** Merges the keys of `metadata` into what there is. */
  readonly sets_metadata: boolean;
}

const recordTypes = {
  source_id: 'text',
  name: 'text',
  price: 'bigint',
  attributes: 'jsonb',
  image_url: 'text',
  metadata: 'jsonb',
} as const;
const writeTypes = {
  ...recordTypes,
  sets_name: 'boolean',
  sets_price: 'boolean',
  sets_attributes: 'boolean',
  sets_image_url: 'boolean',
  sets_metadata: 'boolean',
} as const satisfies { [Column in keyof ProductWrite]: string };
type InsertedRow = Pick<ProductWrite, keyof typeof recordTypes>;

/** Which of these source ids the project's products have. They are locked, in one order, so that a chunk that reads them
 *  and then writes them waits for another instead of deadlocking with it. */
export async function lockProducts(tx: Tx, projectId: string, sourceIds: readonly string[]): Promise<Set<string>> {
  if (sourceIds.length === 0) return new Set();
  const { rows } = await sql<{ source_id: string }>`
    select source_id from products
    where project_id = ${projectId}::uuid and source_id = any(${sourceIds}::text[])
    order by source_id for update`.execute(tx);
  return new Set(rows.map((row) => row.source_id));
}

/**
 * Inserts the products whose source id is not in `found`, and changes the others in what their write sets. Returns the source
 * ids of those that are new or differ from before; what stays the same is not touched. Source ids must differ.
 */
export async function writeProducts(
  tx: Tx,
  projectId: string,
  writes: readonly ProductWrite[],
  found: ReadonlySet<string>,
): Promise<Set<string>> {
  const isKnown = ({ source_id }: ProductWrite) => source_id !== null && found.has(source_id);
  const inserted = await insertProducts(
    tx,
    projectId,
    writes.filter((write) => !isKnown(write)),
  );
  // One that is neither known nor inserted came into being meanwhile, by another transaction.
  const others = writes.filter(({ source_id }) => source_id !== null && !inserted.has(source_id));
  return new Set([...inserted, ...(await updateProducts(tx, projectId, others))]);
}

async function insertProducts(tx: Tx, projectId: string, writes: readonly ProductWrite[]): Promise<Set<string>> {
  if (writes.length === 0) return new Set();
  const sorted = sortedBySourceId(writes);
  const ids = newHexIds('prod_', sorted.length);
  const columns = sql.join(Object.keys(recordTypes).map((column) => sql.ref(column)));
  const { rows: inserted } = await sql<{ source_id: string }>`
    insert into products (id, project_id, ${columns})
    select id, ${projectId}::uuid, ${columns} from ${rowsAs<InsertedRow>('r', recordTypes, sorted, ids)}
    on conflict (project_id, source_id) do nothing
    returning source_id`.execute(tx);
  return new Set(inserted.map((row) => row.source_id));
}

/** Products that would stay the same are left alone. */
async function updateProducts(tx: Tx, projectId: string, writes: readonly ProductWrite[]): Promise<Set<string>> {
  if (writes.length === 0) return new Set();
  const { rows } = await sql<{ source_id: string }>`
    update products as p
    set ${sql.join(changes.map(({ column, value }) => sql`${sql.ref(column)} = ${value}`))}, updated_at = clock_timestamp()
    from ${rowsAs('w', writeTypes, sortedBySourceId(writes))}
    where p.project_id = ${projectId}::uuid and p.source_id = w.source_id
      and (${sql.join(
        changes.map(({ column, value }) => sql`${sql.ref(`p.${column}`)} is distinct from ${value}`),
        sql` or `,
      )})
    returning p.source_id`.execute(tx);
  return new Set(rows.map((row) => row.source_id));
}

/** What each column of an existing product becomes. */
const changes = (['name', 'price', 'attributes', 'image_url', 'metadata'] as const).map((column) => {
  const [before, given] = [sql.ref(`p.${column}`), sql.ref(`w.${column}`)];
  const after = column === 'metadata' ? sql`${before} || ${given}` : given;
  return { column, value: sql`case when ${sql.ref(`w.sets_${column}`)} then ${after} else ${before} end` };
});

function sortedBySourceId(writes: readonly ProductWrite[]): ProductWrite[] {
  return [...writes].sort((a, b) => ((a.source_id ?? '') < (b.source_id ?? '') ? -1 : 1));
}

/** What an import of SKUs needs to know of a product. */
export interface ImportProduct {
  readonly id: string;
  readonly attributes: readonly string[];
}

/** The project's products by what a file calls them: their ids or, failing that, their source ids. */
export async function readImportProducts(
  tx: Tx,
  projectId: string,
  names: readonly string[],
): Promise<ReadonlyMap<string, ImportProduct>> {
  if (names.length === 0) return new Map();
  const { rows } = await sql<ImportProduct & { source_id: string | null }>`
    select id, source_id, attributes from products
    where project_id = ${projectId}::uuid and (id = any(${names}::text[]) or source_id = any(${names}::text[]))`.execute(
    tx,
  );
  const bySourceId = rows.map((row) => [row.source_id ?? row.id, row] as const);
  return new Map([...bySourceId, ...rows.map((row) => [row.id, row] as const)]);
}

/** Deletes the project's product of this id for good, with its SKUs. */
export async function deleteProduct(db: Database, projectId: string, id: string): Promise<void> {
  await db.deleteFrom('products').where('project_id', '=', projectId).where('id', '=', id).execute();
}
