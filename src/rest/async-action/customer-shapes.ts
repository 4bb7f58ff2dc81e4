import { z } from 'zod';
import { address } from './stored-shapes.ts';

const dateTime = z.iso.datetime();
const count = z.int().min(0);

/** Section 5.3 of the contract. What is not set is left out, but for the address, which is null. */
export const customer = z.object({
  id: z.string(),
  source_id: z.string().optional().describe("The caller's own id; it cannot be changed."),
  name: z.string().optional(),
  description: z.string().optional(),
  email: z.string().optional(),
  phone: z.string().optional(),
  birthday: z.string().optional().describe('Deprecated: the birthdate.'),
  birthdate: z.string().optional().describe('A day, such as 2000-12-31.'),
  address: address.nullable(),
  metadata: z.record(z.string(), z.unknown()).optional().describe('Left out when it is empty.'),
  system_metadata: z.object({}),
  summary: z.object({
    redemptions: z.object({
      total_redeemed: count,
      total_failed: count,
      total_succeeded: count,
      total_rolled_back: count,
      total_rollback_failed: count,
      total_rollback_succeeded: count,
      gift: z.object({ redeemed_amount: count, amount_to_go: count }),
      loyalty_card: z.object({ redeemed_points: count, points_to_go: count }),
    }),
    orders: z
      .object({
        total_amount: z.int(),
        total_count: count,
        average_amount: z.int(),
        last_order_amount: z.int(),
        last_order_date: dateTime.optional(),
      })
      .describe('Of all orders that are not canceled, in minor units.'),
  }),
  loyalty: z.object({ points: count, referred_customers: count, campaigns: z.object({}) }),
  referrals: z.object({ total: count, campaigns: z.array(z.never()) }),
  created_at: dateTime,
  updated_at: dateTime.optional(),
  assets: z.object({}),
  object: z.literal('customer'),
});

/** A page of customers, the newest first. */
export const customerList = z.object({
  object: z.literal('list'),
  data_ref: z.literal('customers'),
  customers: z.array(customer),
  total: count.describe('How many there are in all.'),
});

export type Customer = z.infer<typeof customer>;
export type CustomerList = z.infer<typeof customerList>;
