import type { Tx } from '../db/client.ts';
import { type MetadataCheck, readMetadataCheck } from './metadata-schemas.ts';
import { writeOrderCustomers } from './order-customers.ts';
import { type OrderInput, orderFields } from './order-input.ts';
import { writeOrderProducts } from './order-products.ts';
import { addFields, type OrderDraft, type OrderDrafts, readOrderDrafts, writeOrderDrafts } from './order-rows.ts';

/** Why an order cannot be written. */
export interface OrderRefusal {
  readonly code: string;
  readonly message: string;
  /** What was not found. */
  readonly resource?: { readonly type: string; readonly id: string };
}

/** What became of one order: the id of its row, or why it was refused. */
export type SavedOrder =
  | { readonly id: string; readonly refusal?: never }
  | { readonly id?: never; readonly refusal: OrderRefusal };

/**
 * Creates or updates orders, with their customers and the products that they override; one answer for each. An order is known
 * by its id or by its source id; fields left out stay, metadata is merged. Of two that name the same order the later wins. What
 * a refused order says of others may be written all the same, unless the caller rolls back.
 */
export async function saveOrders(tx: Tx, projectId: string, orders: readonly OrderInput[]): Promise<SavedOrder[]> {
  const check = await readMetadataCheck(tx, projectId, 'order');
  const drafts = await readOrderDrafts(tx, projectId, orders);
  const refusals = new Map<OrderInput, OrderRefusal>();
  const kept = orders.filter((order) => {
    const refusal = refuse(order, drafts, check);
    if (refusal !== undefined) refusals.set(order, refusal);
    return refusal === undefined;
  });
  // Products, customers, orders: in every chunk alike, for two that wait for each other would deadlock.
  for (const [order, refusal] of await writeOrderProducts(tx, projectId, kept)) refusals.set(order, refusal);
  const people = await writeOrderCustomers(
    tx,
    projectId,
    kept.filter((order) => !refusals.has(order)),
  );
  const saved = new Map<OrderInput, OrderDraft>();
  for (const [order, whom] of people) {
    if ('code' in whom) {
      refusals.set(order, whom);
      continue;
    }
    const draft = drafts.find(order) ?? drafts.add(order.source_id ?? null);
    addFields(draft, {
      ...orderFields(order),
      ...(whom.customerId !== undefined && { customer_id: whom.customerId }),
      ...(whom.referrerId !== undefined && { referrer_id: whom.referrerId }),
    });
    saved.set(order, draft);
  }
  await writeOrderDrafts(tx, projectId, [...new Set(saved.values())]);
  return orders.map((order) => {
    const refusal = refusals.get(order);
    return refusal === undefined ? { id: saved.get(order)?.id ?? '' } : { refusal };
  });
}

function refuse(order: OrderInput, drafts: OrderDrafts, check: MetadataCheck): OrderRefusal | undefined {
  const known = drafts.find(order);
  if (order.id && known === undefined) {
    const resource = { type: 'order', id: order.id };
    return { code: 'NOT_FOUND', message: `Cannot find order with id ${order.id}`, resource };
  }
  const message = check(order.metadata, { isNew: known === undefined });
  return message === undefined ? undefined : { code: 'METADATA_VALIDATION_FAILED', message };
}
