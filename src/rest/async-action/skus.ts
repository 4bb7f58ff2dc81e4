import type { FastifyInstance } from 'fastify';
import type { SkuRow } from '../../db/catalog-tables.ts';
import type { GatewayDeps } from '../../deps.ts';
import { skuBody, skuChange } from '../../domain/product-input.ts';
import { changeSku, saveSku } from '../../domain/sku-records.ts';
import { deleteSku, findSku, listSkus } from '../../domain/skus.ts';
import { notFound } from '../../errors.ts';
import { isStorable } from '../../tasks/input.ts';
import { callerOf } from '../door.ts';
import { type PageQuery, readPage } from './paging.ts';
import { checkBody } from './payload.ts';
import type { Sku, SkuList } from './product-shapes.ts';
import { describeSku, requireProduct } from './products.ts';

interface OfProduct {
  readonly Params: { readonly productId: string };
}

interface One {
  readonly Params: { readonly productId: string; readonly skuId: string };
}

/** SKUs, one at a time: make or change by POST, change by PUT, delete, read, list those of a product. */
export function registerSkus(server: FastifyInstance, deps: GatewayDeps): void {
  const { db } = deps;
  server.post<OfProduct>('/products/:productId/skus', async (request): Promise<Sku> => {
    const { projectId } = callerOf(request);
    const body = checkBody(skuBody, request.body ?? {});
    const { id } = await requireProduct(deps, projectId, request.params.productId);
    return describeSku(await saveSku(db, projectId, id, body));
  });

  server.get<OfProduct & { Querystring: PageQuery }>('/products/:productId/skus', async (request): Promise<SkuList> => {
    const page = readPage(request.query);
    const { id } = await requireProduct(deps, callerOf(request).projectId, request.params.productId);
    const { skus, total } = await listSkus(db, id, page);
    return { object: 'list', data_ref: 'skus', skus: skus.map(describeSku), total };
  });

  server.put<One>('/products/:productId/skus/:skuId', async (request): Promise<Sku> => {
    const { projectId } = callerOf(request);
    const changes = checkBody(skuChange, request.body ?? {});
    const { id } = await requireSkuOf(deps, projectId, request.params);
    return describeSku(await changeSku(db, projectId, id, changes));
  });

  server.delete<One>('/products/:productId/skus/:skuId', async (request, reply) => {
    const { projectId } = callerOf(request);
    const { id } = await requireSkuOf(deps, projectId, request.params);
    await deleteSku(db, projectId, id);
    return reply.code(204).send();
  });

  server.get<{ Params: { readonly skuId: string } }>('/skus/:skuId', async (request): Promise<Sku> => {
    return describeSku(await requireSku(deps, callerOf(request).projectId, request.params.skuId));
  });
}

async function requireSku(deps: GatewayDeps, projectId: string, skuId: string): Promise<SkuRow> {
  const found = isStorable(skuId) ? await findSku(deps.db, projectId, skuId) : undefined;
  if (found === undefined) throw notFound('sku', skuId);
  return found;
}

/** A SKU of another product is not found below this one. */
async function requireSkuOf(deps: GatewayDeps, projectId: string, path: One['Params']): Promise<SkuRow> {
  const product = await requireProduct(deps, projectId, path.productId);
  const sku = await requireSku(deps, projectId, path.skuId);
  if (sku.product_id !== product.id) throw notFound('sku', path.skuId);
  return sku;
}
