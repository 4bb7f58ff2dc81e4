import type { Tx } from '../db/client.ts';
import { readMetadataCheck } from './metadata-schemas.ts';
import type { OrderInput } from './order-input.ts';
import { changeProducts, type ProductChange } from './product-changes.ts';
import { importSkus, type NumberedSku } from './sku-changes.ts';

type Item = NonNullable<OrderInput['items']>[number];

/** Why the products of an order cannot be written. */
export interface ProductRefusal {
  readonly code: string;
  readonly message: string;
}

/**
 * Creates or updates the products and SKUs that items tell with `override` and a source id; a SKU needs its product. Says which
 * orders have one that is refused. Of a SKU that exists the metadata stays.
 */
export async function writeOrderProducts(
  tx: Tx,
  projectId: string,
  orders: readonly OrderInput[],
): Promise<ReadonlyMap<OrderInput, ProductRefusal>> {
  const items = orders.flatMap((order, row) => (order.items ?? []).map((item) => ({ row, item })));
  const products = items.flatMap(({ row, item }) => toProduct(row, item) ?? []);
  const skus = items.flatMap(({ row, item }) => toSku(row, item) ?? []);
  const failures = [];
  if (products.length > 0) {
    failures.push(...(await changeProducts(tx, projectId, products, ['name', 'price', 'metadata'])).failures);
  }
  if (skus.length > 0) {
    const check = await readMetadataCheck(tx, projectId, 'sku');
    failures.push(...(await importSkus(tx, projectId, skus, { check, updated: ['sku', 'price'] })));
  }
  const refusals = new Map<OrderInput, ProductRefusal>();
  for (const { row, code, message } of failures) {
    const order = orders[row];
    if (order !== undefined && !refusals.has(order)) refusals.set(order, { code, message });
  }
  return refusals;
}

function toProduct(row: number, item: Item): ProductChange | undefined {
  const { product } = item;
  const sourceId = product?.source_id ?? (item.related_object === 'product' ? item.source_id : undefined);
  if (!product?.override || sourceId === undefined) return undefined;
  const { name, price, metadata } = product;
  const fields = {
    ...(name !== undefined && { name }),
    ...(price !== undefined && { price: Math.round(price) }),
    ...(metadata !== undefined && { metadata }),
  };
  return { row, sourceId, fields };
}

function toSku(row: number, item: Item): NumberedSku | undefined {
  const { sku } = item;
  const sourceId = sku?.source_id ?? (item.related_object === 'sku' ? item.source_id : undefined);
  const product = item.product?.source_id ?? item.product?.id ?? item.product_id;
  if (!sku?.override || sourceId === undefined || product === undefined) return undefined;
  return {
    row,
    product,
    sourceId,
    sku: sku.sku ?? null,
    price: sku.price === undefined ? null : Math.round(sku.price),
    attributes: {},
    imageUrl: null,
    metadata: sku.metadata ?? {},
  };
}
