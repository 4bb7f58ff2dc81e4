import { sql } from 'kysely';
import type { ProductRow } from '../db/catalog-tables.ts';
import type { Database, Tx } from '../db/client.ts';
import { notFound } from '../errors.ts';
import { newHexIds } from './hex-ids.ts';
import { requireValidMetadata } from './metadata-schemas.ts';
import type { ProductBody, ProductFields } from './product-input.ts';

/** Writes of one product that are answered at once. */

/** Makes a product, or changes the project's one that the id or, failing that, the source id names, as `changeProduct` does.
 *  Throws BAD_USER_INPUT when the metadata does not fit the project's schema. */
export async function saveProduct(db: Database, projectId: string, body: ProductBody): Promise<ProductRow> {
  return db.transaction().execute(async (tx) => {
    const known = await findNamed(tx, projectId, body);
    if (known !== undefined) return updateProduct(tx, projectId, known, body);
    await requireValidMetadata(tx, projectId, 'product', body.metadata, { isNew: true });
    const inserted = await insertProduct(tx, projectId, body);
    if (inserted !== undefined) return inserted;
    // Another transaction made it meanwhile.
    return updateProduct(tx, projectId, (await findNamed(tx, projectId, body)) ?? '', body);
  });
}

/** Changes the fields given of the product of this id; metadata is merged key by key. Throws NOT_FOUND, or BAD_USER_INPUT when
 *  the metadata does not fit the project's schema. */
export async function changeProduct(
  db: Database,
  projectId: string,
  id: string,
  fields: ProductFields,
): Promise<ProductRow> {
  return db.transaction().execute((tx) => updateProduct(tx, projectId, id, fields));
}

async function findNamed(tx: Tx, projectId: string, { id, source_id }: ProductBody): Promise<string | undefined> {
  const row = await tx
    .selectFrom('products')
    .select('id')
    .where('project_id', '=', projectId)
    .where((eb) => eb.or([eb('id', '=', id ?? ''), eb('source_id', '=', source_id ?? null)]))
    .orderBy((eb) => eb('id', '=', id ?? ''), 'desc')
    .limit(1)
    .executeTakeFirst();
  return row?.id;
}

async function insertProduct(tx: Tx, projectId: string, body: ProductBody): Promise<ProductRow | undefined> {
  const [id = ''] = newHexIds('prod_', 1);
  return tx
    .insertInto('products')
    .values({
      id,
      project_id: projectId,
      source_id: body.source_id ?? null,
      name: body.name ?? null,
      price: body.price ?? null,
      attributes: JSON.stringify(body.attributes ?? []),
      image_url: body.image_url ?? null,
      metadata: JSON.stringify(body.metadata ?? {}),
    })
    .onConflict((conflict) => conflict.columns(['project_id', 'source_id']).doNothing())
    .returningAll()
    .executeTakeFirst();
}

async function updateProduct(tx: Tx, projectId: string, id: string, fields: ProductFields): Promise<ProductRow> {
  const { name, price, image_url, attributes, metadata } = fields;
  await requireValidMetadata(tx, projectId, 'product', metadata, { isNew: false });
  const row = await tx
    .updateTable('products')
    .set({
      ...(name !== undefined && { name }),
      ...(price !== undefined && { price }),
      ...(image_url !== undefined && { image_url }),
      ...(attributes && { attributes: JSON.stringify(attributes) }),
      metadata: sql`metadata || ${JSON.stringify(metadata ?? {})}::jsonb`,
      updated_at: sql<Date>`clock_timestamp()`,
    })
    .where('project_id', '=', projectId)
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirst();
  if (row === undefined) throw notFound('product', id);
  return row;
}
