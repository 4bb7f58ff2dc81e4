import type { Tx } from '../db/client.ts';
import type { Failure } from '../tasks/operation.ts';
import type { MetadataCheck } from './metadata-schemas.ts';
import { type ImportProduct, readImportProducts } from './products.ts';
import { reason } from './reasons.ts';
import type { SkuRow } from './sku-csv.ts';
import { readSkuOwners, type SkuRecord, upsertSkus } from './skus.ts';

/** A readable row of a SKU file, with its number. */
export interface NumberedSku extends SkuRow {
  readonly row: number;
}

/**
 * Makes SKUs, or overwrites `updated` of those that the same product has already. Refuses a row whose product is unknown, whose
 * SKU another product has, whose attributes the product does not name, or whose metadata does not fit. Where a source id comes
 * twice the later row counts. Rows in order.
 */
export async function importSkus(
  tx: Tx,
  projectId: string,
  rows: readonly NumberedSku[],
  options: { readonly check: MetadataCheck; readonly updated: readonly ('sku' | 'price')[] },
): Promise<Failure[]> {
  const products = await readImportProducts(tx, projectId, [...new Set(rows.map(({ product }) => product))]);
  const sourceIds = [...new Set(rows.map(({ sourceId }) => sourceId))];
  const owners = new Map(await readSkuOwners(tx, projectId, sourceIds));
  const records = new Map<string, { rows: number[]; record: SkuRecord }>();
  const failures: Failure[] = [];
  for (const sku of rows) {
    const product = products.get(sku.product);
    const refusal = refuse(sku, product, owners, options.check);
    if (refusal !== undefined) failures.push({ row: sku.row, key: sku.sourceId, ...refusal });
    if (refusal !== undefined || product === undefined) continue;
    owners.set(sku.sourceId, product.id);
    const earlier = records.get(sku.sourceId);
    const record = toRecord(sku, product.id);
    records.set(sku.sourceId, {
      rows: [...(earlier?.rows ?? []), sku.row],
      record: earlier === undefined ? record : { ...earlier.record, ...pick(record, options.updated) },
    });
  }
  return [...failures, ...(await write(tx, projectId, records, options.updated))];
}

/** Writes, and tells what another transaction made first for another product. */
async function write(
  tx: Tx,
  projectId: string,
  records: ReadonlyMap<string, { rows: readonly number[]; record: SkuRecord }>,
  updated: readonly ('sku' | 'price')[],
): Promise<Failure[]> {
  const written = await upsertSkus(
    tx,
    projectId,
    [...records.values()].map(({ record }) => record),
    updated,
  );
  const left = [...records.keys()].filter((sourceId) => !written.has(sourceId));
  const owners = await readSkuOwners(tx, projectId, left);
  return left.flatMap((sourceId) =>
    (records.get(sourceId)?.rows ?? []).map((row) => ({
      row,
      key: sourceId,
      ...inUse(sourceId, owners.get(sourceId)),
    })),
  );
}

function refuse(
  sku: SkuRow,
  product: ImportProduct | undefined,
  owners: ReadonlyMap<string, string>,
  check: MetadataCheck,
): Pick<Failure, 'code' | 'message'> | undefined {
  if (product === undefined) return { code: 'NOT_FOUND', message: `Cannot find product with id ${sku.product}` };
  const owner = owners.get(sku.sourceId);
  if (owner !== undefined && owner !== product.id) return inUse(sku.sourceId, owner);
  const stranger = Object.keys(sku.attributes).find((name) => !product.attributes.includes(name));
  if (stranger !== undefined) {
    const phrase = `must be equal to one of ${product.attributes.join(',')}`;
    return { code: 'INVALID', message: reason('attributes', phrase, stranger) };
  }
  const misfit = check(sku.metadata, { isNew: owner === undefined });
  return misfit === undefined ? undefined : { code: 'METADATA_VALIDATION_FAILED', message: misfit };
}

function inUse(sourceId: string, owner: string | undefined): Pick<Failure, 'code' | 'message'> {
  return { code: 'IN_USE', message: skuInUse(sourceId, owner) };
}

/** What is said of a SKU that another product has. */
export function skuInUse(sourceId: string, productId = ''): string {
  return `Resource sku with id ${sourceId} is in use by products with ids [${productId}]`;
}

function toRecord(sku: SkuRow, productId: string): SkuRecord {
  return {
    product_id: productId,
    source_id: sku.sourceId,
    sku: sku.sku,
    price: sku.price,
    attributes: JSON.stringify(sku.attributes),
    image_url: sku.imageUrl,
    metadata: JSON.stringify(sku.metadata),
  };
}

function pick(record: SkuRecord, columns: readonly ('sku' | 'price')[]): Partial<SkuRecord> {
  return Object.fromEntries(columns.map((column) => [column, record[column]]));
}
