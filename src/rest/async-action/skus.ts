import type { FastifyInstance } from 'fastify';
import type { SkuRow } from '../../db/catalog-tables.ts';
import type { GatewayDeps } from '../../deps.ts';
import { skuBody, skuChange } from '../../domain/product-input.ts';
import { changeSku, saveSku } from '../../domain/product-records.ts';
import { listRecords, recordOrders, requireRecord } from '../../domain/records.ts';
import { deleteSku } from '../../domain/skus.ts';
import { notFound } from '../../errors.ts';
import { callerOf } from '../door.ts';
import { readChoice, readDate, readPage } from './paging.ts';
import { checkBody } from './payload.ts';
import type { Sku, SkuList } from './product-shapes.ts';
import { describeSku } from './products.ts';

interface OfProduct {
  readonly Params: { readonly productId: string };
}

interface One {
  readonly Params: { readonly productId: string; readonly skuId: string };
}

interface List {
  readonly Querystring: Readonly<Record<string, unknown>>;
}

/** SKUs, one at a time: make or change by POST, change by PUT, delete, read, list those of a product. */
export function registerSkus(server: FastifyInstance, deps: GatewayDeps): void {
  const { db } = deps;
  server.post<OfProduct>('/products/:productId/skus', async (request): Promise<Sku> => {
    const { projectId } = callerOf(request);
    const body = checkBody(skuBody, request.body ?? {});
    const { id } = await requireRecord(db, 'products', projectId, request.params.productId);
    return describeSku(await saveSku(db, projectId, id, body));
  });

  server.get<OfProduct & List>('/products/:productId/skus', async (request): Promise<SkuList> => {
    const { projectId } = callerOf(request);
    const list = readList(request.query);
    const { id } = await requireRecord(db, 'products', projectId, request.params.productId);
    const { rows, total } = await listRecords(db, 'skus', projectId, { ...list, productId: id });
    return { object: 'list', data_ref: 'skus', skus: rows.map(describeSku), total };
  });

  server.put<One>('/products/:productId/skus/:skuId', async (request): Promise<Sku> => {
    const { projectId } = callerOf(request);
    const changes = checkBody(skuChange, request.body ?? {});
    const { id } = await requireSkuOf(db, projectId, request.params);
    return describeSku(await changeSku(db, projectId, id, changes));
  });

  server.delete<One>('/products/:productId/skus/:skuId', async (request, reply) => {
    const { projectId } = callerOf(request);
    const { id } = await requireSkuOf(db, projectId, request.params);
    await deleteSku(db, projectId, id);
    return reply.code(204).send();
  });

  server.get<{ Params: { readonly skuId: string } }>('/skus/:skuId', async (request): Promise<Sku> => {
    return describeSku(await requireRecord(db, 'skus', callerOf(request).projectId, request.params.skuId));
  });
}

function readList(query: List['Querystring']) {
  return {
    ...readPage(query),
    order: readChoice(query, 'order', recordOrders),
    createdFrom: readDate(query, 'start_date'),
    createdTill: readDate(query, 'end_date'),
  };
}

/** A SKU of another product is not found below this one. */
async function requireSkuOf(db: GatewayDeps['db'], projectId: string, path: One['Params']): Promise<SkuRow> {
  const product = await requireRecord(db, 'products', projectId, path.productId);
  const sku = await requireRecord(db, 'skus', projectId, path.skuId);
  if (sku.product_id !== product.id) throw notFound('sku', path.skuId);
  return sku;
}
