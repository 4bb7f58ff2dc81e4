import type { FastifyInstance } from 'fastify';
import type { OrderRow } from '../../db/catalog-tables.ts';
import type { JsonObject } from '../../db/json.ts';
import type { GatewayDeps } from '../../deps.ts';
import { type OrderInput, orderInput } from '../../domain/order-input.ts';
import { type OrderRefusal, saveOrders } from '../../domain/orders.ts';
import { listRecords, requireRecord } from '../../domain/records.ts';
import { badInput, ClientError } from '../../errors.ts';
import { callerOf } from '../door.ts';
import { type Order, type OrderItem, type OrderList, storedItem } from './order-shapes.ts';
import { type PageQuery, readPage } from './paging.ts';
import { checkBody } from './payload.ts';

interface One {
  readonly Params: { readonly orderId: string };
}

/** Orders, one at a time: create or update by POST, update by PUT, read, list. */
export function registerOrders(server: FastifyInstance, deps: GatewayDeps): void {
  server.get<{ Querystring: PageQuery }>('/orders', async (request): Promise<OrderList> => {
    const { rows, total } = await listRecords(deps.db, 'orders', callerOf(request).projectId, readPage(request.query));
    return { object: 'list', data_ref: 'orders', orders: rows.map(describe), total };
  });

  server.post('/orders', async (request) => {
    return save(deps, callerOf(request).projectId, checkBody(orderInput, request.body ?? {}));
  });

  server.get<One>('/orders/:orderId', async (request) => {
    return describe(await requireRecord(deps.db, 'orders', callerOf(request).projectId, request.params.orderId));
  });

  server.put<One>('/orders/:orderId', async (request) => {
    const { projectId } = callerOf(request);
    const changes = checkBody(orderInput, request.body ?? {});
    const { id } = await requireRecord(deps.db, 'orders', projectId, request.params.orderId);
    return save(deps, projectId, { ...changes, id });
  });
}

async function save(deps: GatewayDeps, projectId: string, order: OrderInput): Promise<Order> {
  const [saved] = await deps.db.transaction().execute(async (tx) => {
    const outcome = await saveOrders(tx, projectId, [order]);
    // Thrown here, so that nothing of a refused order stays.
    if (outcome[0]?.refusal !== undefined) throw toError(outcome[0].refusal);
    return outcome;
  });
  return describe(await requireRecord(deps.db, 'orders', projectId, saved?.id ?? ''));
}

function toError({ code, message, resource }: OrderRefusal): ClientError {
  if (code === 'NOT_FOUND') return new ClientError(code, message, resource && { resource });
  return badInput(['metadata'], code, message);
}

/** Section 5.5 of the contract. No redemption changes an order here, so what is applied is what the order says. */
function describe(row: OrderRow): Order {
  const amount = row.amount ?? 0;
  const discount = row.discount_amount ?? 0;
  return {
    id: row.id,
    source_id: row.source_id,
    status: row.status,
    amount,
    initial_amount: row.initial_amount ?? amount,
    discount_amount: discount,
    items_discount_amount: 0,
    total_discount_amount: discount,
    total_amount: amount - discount,
    applied_discount_amount: discount,
    items_applied_discount_amount: 0,
    total_applied_discount_amount: discount,
    items: row.items.map(describeItem),
    metadata: { ...row.metadata },
    ...(row.customer_id && { customer: { id: row.customer_id, object: 'customer' } }),
    ...(row.referrer_id && { referrer: { id: row.referrer_id, object: 'customer' } }),
    customer_id: row.customer_id,
    referrer_id: row.referrer_id,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at?.toISOString() ?? null,
    redemptions: {},
    object: 'order',
  };
}

function describeItem(item: JsonObject): OrderItem {
  const stored = storedItem.parse(item);
  return { ...stored, subtotal_amount: stored.amount, object: 'order_item' };
}
