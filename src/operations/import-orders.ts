import { z } from 'zod';
import { maxItems, type OrderInput, orderInput } from '../domain/order-input.ts';
import { saveOrders } from '../domain/orders.ts';
import { failureOf } from '../domain/reasons.ts';
import { orderRecords } from '../domain/record-kinds.ts';
import { badInput } from '../errors.ts';
import { itemList } from '../tasks/input.ts';
import { type Chunk, defineOperation, type Failure } from '../tasks/operation.ts';

type Item = Record<string, unknown>;

const maxOrders = 2_000;

const input = z.object({
  orders: itemList(orderInput, 'At most 2000 orders of at most 500 items; a bad one is refused, the rest go through.'),
});

const compiledInput = z.compile(orderInput);

/** ORDERS.IMPORT: creates orders or updates those whose id or source id exists, and their customers and referrers with them. */
export const importOrders = defineOperation<z.infer<typeof input>, Item>({
  name: 'orders.import',
  model: 'ASYNC_ACTION',
  actionType: 'ORDERS.IMPORT',
  result: { family: 'IMPORT', noun: 'order', failure: { key: 'source_id', missing: null, row: false } },
  chunkSize: 500,
  oneByOne: true,
  mutation: {
    name: 'importOrders',
    description: 'Creates or updates orders by their id or source id, with their customers and referrers.',
  },
  input,
  rest: {
    method: 'POST',
    path: '/v1/orders/import',
    status: 200,
    body: 'json',
    toInput: ({ body }) => ({ orders: body }),
  },

  // An order is also about customers and products, which others name too.
  records: { kind: orderRecords, names: () => ({ of: nameOf }), meetAll: true },

  async plan({ orders }) {
    if (orders.length > maxOrders) {
      const message = `Payload cannot have more than ${maxOrders} orders`;
      throw badInput(['orders'], 'TOO_MANY_ITEMS', message, orders.length);
    }
    orders.forEach(refuseUnplannable);
    return { parameters: {}, items: orders };
  },

  async apply(chunk, { tx, projectId }) {
    const { entries, failures } = readOrders(chunk);
    const saved = await saveOrders(
      tx,
      projectId,
      entries.map(({ order }) => order),
    );
    entries.forEach(({ row, order }, index) => {
      const refusal = saved[index]?.refusal;
      if (refusal === undefined) return;
      failures.push({ row, key: order.source_id ?? null, code: refusal.code, message: refusal.message });
    });
    return { failures };
  },
});

/** By its id alone where it has one. */
function nameOf({ id, source_id }: Item): (string | null)[] {
  const name = id || source_id;
  return [typeof name === 'string' ? name : null];
}

/** What the contract refuses with the whole request: too many items, and a quantity below 1. Throws BAD_USER_INPUT. */
function refuseUnplannable({ items }: Item, index: number): void {
  if (!Array.isArray(items)) return;
  if (items.length > maxItems) {
    const message = `Property .items cannot have more than ${maxItems} items`;
    throw badInput(['orders', index, 'items'], 'TOO_MANY_ITEMS', message, items.length);
  }
  items.forEach((item: unknown, position) => {
    for (const name of ['quantity', 'initial_quantity']) {
      const quantity: unknown = typeof item === 'object' && item !== null ? Reflect.get(item, name) : undefined;
      if (typeof quantity !== 'number' || quantity >= 1) continue;
      const message = `Property .items[${position}].${name} cannot be lower than 1`;
      throw badInput(['orders', index, 'items', position, name], 'TOO_SMALL', message, quantity);
    }
  });
}

function readOrders(chunk: Chunk<Item>) {
  const entries: { row: number; order: OrderInput }[] = [];
  const failures: Failure[] = [];
  chunk.items.forEach((item, index) => {
    const row = chunk.firstRow + index;
    const result = compiledInput.safeParse(item);
    if (result.success) entries.push({ row, order: result.data });
    else failures.push(failureOf(row, typeof item.source_id === 'string' ? item.source_id : null, result.error, item));
  });
  return { entries, failures };
}
