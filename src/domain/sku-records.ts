import { sql } from 'kysely';
import type { SkuRow } from '../db/catalog-tables.ts';
import type { Database, Tx } from '../db/client.ts';
import { badInput, notFound } from '../errors.ts';
import { newHexIds } from './hex-ids.ts';
import { requireValidMetadata } from './metadata-schemas.ts';
import type { SkuBody, SkuFields } from './product-input.ts';
import { skuInUse } from './sku-changes.ts';

/** Writes of one SKU that are answered at once. */

/** Makes a SKU of the product, or changes the one that the id or, failing that, the source id names, as `changeSku` does.
 *  Throws BAD_USER_INPUT when another product has it, or when the metadata does not fit the project's schema. */
export async function saveSku(db: Database, projectId: string, productId: string, body: SkuBody): Promise<SkuRow> {
  return db.transaction().execute(async (tx) => {
    const known = await findNamed(tx, projectId, productId, body);
    if (known !== undefined) return updateSku(tx, projectId, known, body);
    await requireValidMetadata(tx, projectId, 'sku', body.metadata, { isNew: true });
    const inserted = await insertSku(tx, projectId, productId, body);
    if (inserted !== undefined) return inserted;
    // Another transaction made it meanwhile.
    return updateSku(tx, projectId, (await findNamed(tx, projectId, productId, body)) ?? '', body);
  });
}

/** Changes the fields given of the SKU of this id; metadata is merged key by key. Throws NOT_FOUND, or BAD_USER_INPUT when the
 *  metadata does not fit the project's schema. */
export async function changeSku(db: Database, projectId: string, id: string, fields: SkuFields): Promise<SkuRow> {
  return db.transaction().execute((tx) => updateSku(tx, projectId, id, fields));
}

async function findNamed(tx: Tx, projectId: string, productId: string, body: SkuBody): Promise<string | undefined> {
  const { id = '', source_id: sourceId = null } = body;
  const row = await tx
    .selectFrom('skus')
    .select(['id', 'product_id'])
    .where('project_id', '=', projectId)
    .where((eb) => eb.or([eb('id', '=', id), eb('source_id', '=', sourceId)]))
    .orderBy((eb) => eb('id', '=', id), 'desc')
    .limit(1)
    .executeTakeFirst();
  if (row !== undefined && row.product_id !== productId) {
    throw badInput(['source_id'], 'IN_USE', skuInUse(row.id === id ? id : (sourceId ?? ''), row.product_id));
  }
  return row?.id;
}

async function insertSku(tx: Tx, projectId: string, productId: string, body: SkuBody): Promise<SkuRow | undefined> {
  const [id = ''] = newHexIds('sku_', 1);
  return tx
    .insertInto('skus')
    .values({
      id,
      project_id: projectId,
      product_id: productId,
      source_id: body.source_id ?? null,
      sku: body.sku ?? null,
      price: body.price ?? null,
      currency: body.currency ?? null,
      attributes: JSON.stringify(body.attributes ?? {}),
      image_url: body.image_url ?? null,
      metadata: JSON.stringify(body.metadata ?? {}),
    })
    .onConflict((conflict) => conflict.columns(['project_id', 'source_id']).doNothing())
    .returningAll()
    .executeTakeFirst();
}

async function updateSku(tx: Tx, projectId: string, id: string, fields: SkuFields): Promise<SkuRow> {
  const { sku, price, currency, image_url, attributes, metadata } = fields;
  await requireValidMetadata(tx, projectId, 'sku', metadata, { isNew: false });
  const row = await tx
    .updateTable('skus')
    .set({
      ...(sku !== undefined && { sku }),
      ...(price !== undefined && { price }),
      ...(currency !== undefined && { currency }),
      ...(image_url !== undefined && { image_url }),
      ...(attributes && { attributes: JSON.stringify(attributes) }),
      metadata: sql`metadata || ${JSON.stringify(metadata ?? {})}::jsonb`,
      updated_at: sql<Date>`clock_timestamp()`,
    })
    .where('project_id', '=', projectId)
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirst();
  if (row === undefined) throw notFound('sku', id);
  return row;
}
