import { sql } from 'kysely';
import type { ProductRow, SkuRow } from '../db/catalog-tables.ts';
import type { Database, Tx } from '../db/client.ts';
import type { JsonObject } from '../db/json.ts';
import { badInput, notFound } from '../errors.ts';
import { newHexIds } from './hex-ids.ts';
import { requireValidMetadata } from './metadata-schemas.ts';
import type { ProductBody, ProductFields, SkuBody, SkuFields } from './product-input.ts';
import type { RecordRows } from './records.ts';
import { skuInUse } from './sku-changes.ts';

/** Writes of one product or SKU that are answered at once. */

/** Makes a product, or changes the project's one that the id or, failing that, the source id names, as `changeProduct` does.
 *  Throws BAD_USER_INPUT when the metadata does not fit the project's schema. */
export async function saveProduct(db: Database, projectId: string, body: ProductBody): Promise<ProductRow> {
  return db.transaction().execute((tx) => save(tx, 'products', projectId, { ...body, columns: productColumns(body) }));
}

/** Changes the fields given of the product of this id; metadata is merged key by key. Throws NOT_FOUND, or BAD_USER_INPUT when
 *  the metadata does not fit the project's schema. */
export async function changeProduct(
  db: Database,
  projectId: string,
  id: string,
  fields: ProductFields,
): Promise<ProductRow> {
  const write = { metadata: fields.metadata, columns: productColumns(fields) };
  return db.transaction().execute((tx) => update(tx, 'products', projectId, id, write));
}

/** Makes a SKU of the product, or changes the one that the id or, failing that, the source id names, as `changeSku` does.
 *  Throws BAD_USER_INPUT when another product has it, or when the metadata does not fit the project's schema. */
export async function saveSku(db: Database, projectId: string, productId: string, body: SkuBody): Promise<SkuRow> {
  const { id = '', source_id: sourceId } = body;
  const check = (known: SkuRow) => {
    if (known.product_id === productId) return;
    throw badInput(['source_id'], 'IN_USE', skuInUse(known.id === id ? id : (sourceId ?? ''), known.product_id));
  };
  const columns = { ...skuColumns(body), product_id: productId };
  return db.transaction().execute((tx) => save(tx, 'skus', projectId, { ...body, columns, check }));
}

/** Changes the fields given of the SKU of this id; metadata is merged key by key. Throws NOT_FOUND, or BAD_USER_INPUT when the
 *  metadata does not fit the project's schema. */
export async function changeSku(db: Database, projectId: string, id: string, fields: SkuFields): Promise<SkuRow> {
  const write = { metadata: fields.metadata, columns: skuColumns(fields) };
  return db.transaction().execute((tx) => update(tx, 'skus', projectId, id, write));
}

type Table = 'products' | 'skus';
/** What is given of a record; what is undefined is not. Values of jsonb columns are JSON texts. */
type Columns = Readonly<Record<string, string | number | null | undefined>>;
interface Change {
  readonly metadata?: JsonObject | undefined;
  readonly columns: Columns;
}
interface Write<Row> extends Change {
  readonly id?: string | undefined;
  readonly source_id?: string | null | undefined;
  /** Throws when the record of the id or source id must not be changed. */
  readonly check?: (known: Row) => void;
}

const kinds = { products: { type: 'product', prefix: 'prod_' }, skus: { type: 'sku', prefix: 'sku_' } } as const;

function productColumns({ name, price, image_url, attributes }: ProductFields): Columns {
  return { name, price, image_url, attributes: attributes && JSON.stringify(attributes) };
}

function skuColumns({ sku, price, currency, image_url, attributes }: SkuFields): Columns {
  return { sku, price, currency, image_url, attributes: attributes && JSON.stringify(attributes) };
}

async function save<Of extends Table>(
  tx: Tx,
  table: Of,
  projectId: string,
  write: Write<RecordRows[Of]>,
): Promise<RecordRows[Of]> {
  const known = await findNamed(tx, table, projectId, write);
  if (known !== undefined) return update(tx, table, projectId, known.id, write);
  await requireValidMetadata(tx, projectId, kinds[table].type, write.metadata, { isNew: true });
  const inserted = await insert(tx, table, projectId, write);
  if (inserted !== undefined) return inserted;
  // Another transaction made it meanwhile.
  const made = await findNamed(tx, table, projectId, write);
  return update(tx, table, projectId, made?.id ?? '', write);
}

async function findNamed<Of extends Table>(
  tx: Tx,
  table: Of,
  projectId: string,
  { id = '', source_id = null, check }: Write<RecordRows[Of]>,
): Promise<RecordRows[Of] | undefined> {
  const { rows } = await sql<RecordRows[Of]>`
    select * from ${sql.table(table)} where project_id = ${projectId}::uuid and (id = ${id} or source_id = ${source_id})
    order by id = ${id} desc limit 1`.execute(tx);
  const [known] = rows;
  if (known !== undefined) check?.(known);
  return known;
}

async function insert<Of extends Table>(
  tx: Tx,
  table: Of,
  projectId: string,
  { source_id = null, metadata = {}, columns }: Write<RecordRows[Of]>,
): Promise<RecordRows[Of] | undefined> {
  const [id = ''] = newHexIds(kinds[table].prefix, 1);
  const keys = { id, project_id: projectId, source_id, metadata: JSON.stringify(metadata) };
  const given = Object.entries({ ...columns, ...keys }).filter(([, value]) => value !== undefined);
  const { rows } = await sql<RecordRows[Of]>`
    insert into ${sql.table(table)} (${sql.join(given.map(([column]) => sql.ref(column)))})
    values (${sql.join(given.map(([, value]) => sql.val(value)))})
    on conflict (project_id, source_id) do nothing returning *`.execute(tx);
  return rows[0];
}

async function update<Of extends Table>(
  tx: Tx,
  table: Of,
  projectId: string,
  id: string,
  { metadata, columns }: Change,
): Promise<RecordRows[Of]> {
  await requireValidMetadata(tx, projectId, kinds[table].type, metadata, { isNew: false });
  const assignments = Object.entries(columns)
    .filter(([, value]) => value !== undefined)
    .map(([column, value]) => sql`${sql.ref(column)} = ${value}`);
  const merged = sql`metadata = metadata || ${JSON.stringify(metadata ?? {})}::jsonb`;
  const { rows } = await sql<RecordRows[Of]>`
    update ${sql.table(table)} set ${sql.join([...assignments, merged, sql`updated_at = clock_timestamp()`])}
    where project_id = ${projectId}::uuid and id = ${id} returning *`.execute(tx);
  const [row] = rows;
  if (row === undefined) throw notFound(kinds[table].type, id);
  return row;
}
