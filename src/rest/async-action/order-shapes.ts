import { z } from 'zod';

const dateTime = z.iso.datetime();
const amount = z.int().describe('Minor units.');
const person = z.object({ id: z.string(), object: z.literal('customer') });

/** What was ordered: as it was given, with its amounts. */
export const storedItem = z.looseObject({
  source_id: z.string().optional(),
  related_object: z.enum(['product', 'sku']).optional(),
  product_id: z.string().optional(),
  sku_id: z.string().optional(),
  quantity: z.int(),
  price: z.number().optional(),
  amount,
  initial_amount: amount,
});
const orderItem = storedItem.extend({ subtotal_amount: amount, object: z.literal('order_item') });

/** Section 5.5 of the contract. */
export const order = z.object({
  id: z.string(),
  source_id: z.string().nullable(),
  status: z.enum(['CREATED', 'PAID', 'CANCELED', 'FULFILLED']),
  amount,
  initial_amount: amount,
  discount_amount: amount,
  items_discount_amount: amount,
  total_discount_amount: amount,
  total_amount: amount,
  applied_discount_amount: amount,
  items_applied_discount_amount: amount,
  total_applied_discount_amount: amount,
  items: z.array(orderItem),
  metadata: z.looseObject({}),
  customer: person.optional().describe('Left out when there is none.'),
  referrer: person.optional().describe('Left out when there is none.'),
  customer_id: z.string().nullable(),
  referrer_id: z.string().nullable(),
  created_at: dateTime,
  updated_at: dateTime.nullable(),
  redemptions: z.object({}),
  object: z.literal('order'),
});

/** The newest first. */
export const orderList = z.object({
  object: z.literal('list'),
  data_ref: z.literal('orders'),
  orders: z.array(order),
  total: z.int(),
});

export type Order = z.infer<typeof order>;
export type OrderItem = z.infer<typeof orderItem>;
export type OrderList = z.infer<typeof orderList>;
