import type { FastifyInstance } from 'fastify';
import type { ProductRow, SkuRow } from '../../db/catalog-tables.ts';
import type { GatewayDeps } from '../../deps.ts';
import { productBody, productChange } from '../../domain/product-input.ts';
import { changeProduct, saveProduct } from '../../domain/product-records.ts';
import { deleteProduct } from '../../domain/products.ts';
import { listRecords, requireRecord } from '../../domain/records.ts';
import { listSkusOfProducts } from '../../domain/skus.ts';
import { callerOf } from '../door.ts';
import { type PageQuery, readPage } from './paging.ts';
import { checkBody } from './payload.ts';
import type { Product, ProductList, Sku } from './product-shapes.ts';

interface One {
  readonly Params: { readonly productId: string };
}

/** SKUs that a product tells of itself. */
const shownSkus = 100;

/** Products, one at a time: make or change by POST, change by PUT, delete, read, list. */
export function registerProducts(server: FastifyInstance, deps: GatewayDeps): void {
  const { db } = deps;
  server.post('/products', async (request): Promise<Product> => {
    const body = checkBody(productBody, request.body ?? {});
    return describeOne(deps, await saveProduct(db, callerOf(request).projectId, body));
  });

  server.get<{ Querystring: PageQuery }>('/products', async (request): Promise<ProductList> => {
    const { rows, total } = await listRecords(db, 'products', callerOf(request).projectId, readPage(request.query));
    return { object: 'list', data_ref: 'products', products: await describeAll(deps, rows), total };
  });

  server.get<One>('/products/:productId', async (request): Promise<Product> => {
    return describeOne(
      deps,
      await requireRecord(db, 'products', callerOf(request).projectId, request.params.productId),
    );
  });

  server.put<One>('/products/:productId', async (request): Promise<Product> => {
    const { projectId } = callerOf(request);
    const changes = checkBody(productChange, request.body ?? {});
    const { id } = await requireRecord(db, 'products', projectId, request.params.productId);
    return describeOne(deps, await changeProduct(db, projectId, id, changes));
  });

  // With `force` or without: it is gone for good, and its source id is free.
  server.delete<One>('/products/:productId', async (request, reply) => {
    const { projectId } = callerOf(request);
    const { id } = await requireRecord(db, 'products', projectId, request.params.productId);
    await deleteProduct(db, projectId, id);
    return reply.code(204).send();
  });
}

/** A SKU as it is told. */
export function describeSku(row: SkuRow): Sku {
  return {
    id: row.id,
    source_id: row.source_id,
    product_id: row.product_id,
    sku: row.sku,
    price: row.price,
    currency: row.currency,
    attributes: { ...row.attributes },
    image_url: row.image_url,
    metadata: { ...row.metadata },
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at?.toISOString() ?? null,
    object: 'sku',
  };
}

async function describeOne(deps: GatewayDeps, row: ProductRow): Promise<Product> {
  const [described] = await describeAll(deps, [row]);
  if (described === undefined) throw new Error(`the product ${row.id} is not described`);
  return described;
}

async function describeAll(deps: GatewayDeps, rows: readonly ProductRow[]): Promise<Product[]> {
  const ids = rows.map((row) => row.id);
  const byProduct = await listSkusOfProducts(deps.db, ids, shownSkus);
  return rows.map((row) => {
    const { skus, total } = byProduct.get(row.id) ?? { skus: [], total: 0 };
    return {
      id: row.id,
      source_id: row.source_id,
      name: row.name,
      price: row.price,
      attributes: [...row.attributes],
      metadata: { ...row.metadata },
      image_url: row.image_url,
      created_at: row.created_at.toISOString(),
      updated_at: row.updated_at?.toISOString() ?? null,
      skus: { object: 'list', data_ref: 'data', data: skus.map(describeSku), total },
      object: 'product',
    };
  });
}
