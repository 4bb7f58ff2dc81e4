import { z } from 'zod';
import type { JsonObject } from '../db/json.ts';
import { id, isStorable, jsonObject, unstorable } from '../tasks/input.ts';
import { customerFields } from './customer-input.ts';
import { custom, reason } from './reasons.ts';

/** The order fields that an import and a write read (contract of the async actions, sections 1.5 and 5.5). Others are skipped. */

export const orderStatuses = ['CREATED', 'PAID', 'CANCELED', 'FULFILLED'] as const;

/** Minor units; fits a bigint column and a number exactly. */
const maxAmount = Number.MAX_SAFE_INTEGER;
const amount = z.int().min(0);
const price = z.number().min(0).max(maxAmount);
const quantity = z.int().min(0).max(2_147_483_647);
const shortText = z.string().max(2000);
const sourceId = z.string().min(1).max(255);

const metadata = (description: string) => jsonObject().optional().meta({ graphql: 'JSON', description });

const customer = z
  .object({
    id: id('Of a customer that exists; it wins over the source id.').nullable().optional(),
    source_id: sourceId.nullable().optional().describe('Your own id; an unknown one makes a new customer.'),
    ...customerFields,
  })
  .meta({
    id: 'OrderCustomerInput',
    description: 'A customer to create or update with an order. Fields left out stay.',
  });

const product = z
  .object({
    id: id('Of a product.').optional(),
    source_id: sourceId.optional().describe('Your own id of the product.'),
    name: shortText.optional().describe('Name.'),
    price: price.optional().describe('Price of one, in minor units.'),
    metadata: metadata('Metadata of the product.'),
    override: z.boolean().optional().describe('Whether the product itself is to be written.'),
  })
  .meta({ id: 'OrderProductInput', description: 'What an order says of the product of an item.' });

const sku = z
  .object({
    id: id('Of a SKU.').optional(),
    source_id: sourceId.optional().describe('Your own id of the SKU.'),
    sku: shortText.optional().describe('Name.'),
    price: price.optional().describe('Price of one, in minor units.'),
    metadata: metadata('Metadata of the SKU.'),
    override: z.boolean().optional().describe('Whether the SKU itself is to be written.'),
  })
  .meta({ id: 'OrderSkuInput', description: 'What an order says of the SKU of an item.' });

const item = z
  .object({
    product_id: id('The product.').optional(),
    sku_id: id('The SKU.').optional(),
    source_id: sourceId.optional().describe('Your own id of the product or SKU.'),
    related_object: z
      .enum(['product', 'sku'])
      .meta({ id: 'OrderItemRelatedObject', description: 'What the source id of an order item belongs to.' })
      .optional()
      .describe('What the source id belongs to.'),
    quantity: quantity.min(1).optional().describe('How many, at least 1; default 1.'),
    initial_quantity: quantity.min(1).optional().describe('How many before discounts, at least 1.'),
    discount_quantity: quantity.optional().describe('How many of them are free.'),
    amount: amount.optional().describe('In minor units; default: price times quantity.'),
    initial_amount: amount.optional().describe('Amount before discounts, in minor units.'),
    discount_amount: amount.optional().describe('What is taken off, in minor units.'),
    price: price.optional().describe('Price of one, in minor units.'),
    product: product.optional().describe('The product.'),
    sku: sku.optional().describe('The SKU.'),
    metadata: metadata('Metadata of the item.'),
  })
  .meta({ id: 'OrderItemInput', description: 'One line of an order.' });

/** Items that one order may have: section 7 of the contract. */
export const maxItems = 500;

/** One order of ORDERS.IMPORT, of POST and of PUT. */
export const orderInput = z
  .object({
    id: id('Of an order that exists; it wins over the source id.').nullable().optional(),
    source_id: sourceId.nullable().optional().describe('Your own id; an unknown one makes a new order.'),
    status: z
      .enum(orderStatuses)
      .meta({ id: 'OrderStatus', description: 'How far an order is.' })
      .optional()
      .describe('Default of a new order: CREATED.'),
    amount: amount.optional().describe('In minor units; default: the sum of the items.'),
    initial_amount: amount.optional().describe('Amount before discounts, in minor units.'),
    discount_amount: amount.optional().describe('What is taken off, in minor units.'),
    items: z.array(item).max(maxItems).optional().describe('What was ordered; replaces the items there were.'),
    metadata: metadata('Keys and values that are merged into those of the order.'),
    customer: customer.nullable().optional().describe('Who ordered.'),
    referrer: customer.nullable().optional().describe('Who brought the customer.'),
    referrer_id: id('The referrer, if it exists; null takes the referrer away.').nullable().optional(),
  })
  .superRefine((value, context) => {
    const unfit = Object.entries(value).find(([, part]) => !isStorable(part));
    if (unfit !== undefined) context.addIssue(custom([unfit[0]], `${unfit[0]}: ${unstorable}`));
    const total = (value.items ?? []).reduce((sum, item) => sum + amountOf(item), 0);
    if (!Number.isSafeInteger(total)) {
      context.addIssue(custom(['items'], reason('items', `amounts cannot be greater than ${maxAmount}`, total)));
    }
  })
  .meta({ id: 'OrderInput', description: 'One order to create or update. Fields left out stay.' });

export type OrderInput = z.infer<typeof orderInput>;
export type OrderCustomerInput = z.infer<typeof customer>;
type OrderItemInput = z.infer<typeof item>;

/** The columns of an order that the input gives, the people aside; what is left out is not in it. */
export function orderFields(order: OrderInput): JsonObject {
  const items = order.items?.map(itemFields);
  const total = order.amount ?? items?.reduce((sum, { amount }) => sum + amount, 0);
  const initial = order.initial_amount ?? total;
  return {
    ...(order.status && { status: order.status }),
    ...(total !== undefined && { amount: total }),
    ...(initial !== undefined && { initial_amount: initial }),
    ...(order.discount_amount !== undefined && { discount_amount: order.discount_amount }),
    ...(items && { items }),
    ...(order.metadata && { metadata: order.metadata }),
  };
}

function itemFields(given: OrderItemInput): JsonObject & { readonly amount: number } {
  const { quantity = 1, price = given.sku?.price ?? given.product?.price } = given;
  const amount = amountOf(given);
  const { product, sku, metadata } = given;
  const fields = withoutAbsent({
    ...given,
    price,
    quantity,
    initial_quantity: given.initial_quantity ?? quantity,
    initial_amount: given.initial_amount ?? amount,
    product: product && withoutAbsent(product),
    sku: sku && withoutAbsent(sku),
    metadata,
  });
  return { ...fields, amount };
}

function amountOf({ amount, quantity = 1, price, sku, product }: OrderItemInput): number {
  return amount ?? Math.round((price ?? sku?.price ?? product?.price ?? 0) * quantity);
}

function withoutAbsent(fields: Readonly<Record<string, JsonObject[string] | undefined>>): JsonObject {
  const given: Record<string, JsonObject[string]> = {};
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) given[name] = value;
  return given;
}
