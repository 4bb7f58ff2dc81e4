import type { Tx } from '../db/client.ts';
import { type CustomerChange, type CustomerRefusal, writeCustomers } from './customer-changes.ts';
import { toProfile } from './customer-input.ts';
import { readMetadataCheck } from './metadata-schemas.ts';
import type { OrderCustomerInput, OrderInput } from './order-input.ts';

/** Whom an order is to point to: an id, null for nobody, undefined where the order says nothing. */
export interface OrderPeople {
  readonly customerId: string | null | undefined;
  readonly referrerId: string | null | undefined;
}

/** Creates or updates the customers and referrers of orders, as if one after the other: fields left out stay, metadata is
 *  merged. The answer for each order: its people, or why one of them was refused. */
export async function writeOrderCustomers(
  tx: Tx,
  projectId: string,
  orders: readonly OrderInput[],
): Promise<ReadonlyMap<OrderInput, OrderPeople | CustomerRefusal>> {
  const named = orders.map((order) => ({
    order,
    customer: toChange(order.customer),
    referrer: toChange(referrerOf(order)),
  }));
  const changes = named.flatMap(({ customer, referrer }) => [customer, referrer]).filter((change) => !!change);
  const check = await readMetadataCheck(tx, projectId, 'customer');
  const outcomes = await writeCustomers(tx, projectId, changes, { mode: 'MERGE', check });
  const answerTo = (change: CustomerChange | null | undefined) => {
    if (!change) return change;
    const outcome = outcomes.get(change);
    if (outcome === undefined) throw new Error('a customer without an outcome');
    return 'refusal' in outcome ? outcome.refusal : outcome.id;
  };
  return new Map(
    named.map(({ order, customer, referrer }) => {
      const [customerId, referrerId] = [answerTo(customer), answerTo(referrer)];
      if (isRefusal(customerId)) return [order, customerId];
      return [order, isRefusal(referrerId) ? referrerId : { customerId, referrerId }];
    }),
  );
}

function isRefusal(answer: CustomerRefusal | string | null | undefined): answer is CustomerRefusal {
  return typeof answer === 'object' && answer !== null;
}

/** Undefined when it tells nothing of anybody. */
function toChange(given: OrderCustomerInput | null | undefined): CustomerChange | null | undefined {
  if (!given) return given;
  const profile = toProfile(given);
  const { id = null, source_id: sourceId = null } = given;
  const isEmpty = id === null && sourceId === null && Object.keys(profile).length === 0;
  return isEmpty ? undefined : { id, sourceId, profile };
}

/** The referrer as a whole, or by its id alone. */
function referrerOf(order: OrderInput): OrderCustomerInput | null | undefined {
  if (order.referrer) return order.referrer;
  const { referrer_id: id } = order;
  return typeof id === 'string' ? { id } : id;
}
