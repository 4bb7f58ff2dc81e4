import { z } from 'zod';
import { giftEffect, timeframe, voucherDiscount } from './stored-shapes.ts';

/** The bodies of the async-action contract (voucherify-async.openapi.json), for types and for the printed OpenAPI document. */

/** Below it are all paths of the contract. */
export const voucherifyPrefix = '/v1';

const dateTime = z.iso.datetime();

/** A start's answer. */
export const started = z.object({ async_action_id: z.string().describe('Poll it at /v1/async-actions/{id}.') });

/** Without its result, as lists have it. */
export const action = z.object({
  id: z.string().describe('`aa_` and 18 hex digits.'),
  type: z.string().describe('Such as VOUCHERS.IMPORT.'),
  status: z.enum(['ENQUEUED', 'IN_PROGRESS', 'DONE', 'FAILED']),
  operation_status: z.enum(['SUCCESS', 'FAILED', 'UNKNOWN']).describe('UNKNOWN until the end.'),
  created_at: dateTime,
  updated_at: dateTime,
  request_id: z.string().describe('The request that started it.'),
  processing_time: z.int().describe('Milliseconds from created_at to updated_at.'),
  progress: z.int().min(0).max(100),
  object: z.literal('async_action'),
});

/** Result family A of the contract. */
export const countResult = z.object({ message: z.string(), done_count: z.int() });

/** Result family C of the contract. */
export const updateResult = z.object({
  done_count: z.int(),
  failed_count: z.int(),
  reports: z
    .array(z.url())
    .describe('Signed links to CSV files with the key of each item, found and updated; none to a watch token.'),
  reports_available_till: dateTime,
  errors: z
    .array(z.looseObject({ message: z.string(), details: z.string(), key: z.string() }))
    .describe('Up to a limit; none to a watch token.'),
});

/** Result family B of the contract. */
export const importResult = z.object({
  message: z.string(),
  failed: z
    .array(z.looseObject({}))
    .describe('With the key and row that the type tells, up to a limit; none to a watch token.'),
  done_count: z.int(),
  failed_count: z.int(),
});

/** The poll's answer. */
export const actionWithResult = action.extend({
  result: z.union([importResult, updateResult, countResult]).optional().describe('There once the action has ended.'),
});

/** The list's answer: newest first. */
export const actionList = z.object({
  object: z.literal('list'),
  data_ref: z.literal('async_actions'),
  async_actions: z.array(action),
  has_more: z.boolean().describe('Ask again with the oldest created_at as end_date.'),
});

const asset = z.object({ id: z.null(), url: z.null() });
const list = z.object({ object: z.literal('list'), url: z.string() });

const loyaltyCard = z.object({
  points: z.int(),
  balance: z.int(),
  next_expiration_date: z.null(),
  next_expiration_points: z.null(),
  pending_points: z.literal(0),
  expired_points: z.literal(0),
  subtracted_points: z.literal(0),
});

/** Section 5.1 of the contract, with an explicit null for all that is not set. */
export const voucher = z.object({
  id: z.string(),
  code: z.string(),
  campaign: z.string().nullable().describe('The name of its campaign.'),
  campaign_id: z.string().nullable(),
  category: z.string().nullable(),
  category_id: z.null(),
  categories: z.array(z.never()),
  type: z.enum(['DISCOUNT_VOUCHER', 'GIFT_VOUCHER', 'LOYALTY_CARD']),
  discount: voucherDiscount.nullable(),
  gift: z
    .object({
      amount: z.int(),
      balance: z.int(),
      subtracted_amount: z.int(),
      effect: giftEffect.nullable(),
    })
    .nullable()
    .describe('Amounts in minor units.'),
  loyalty_card: loyaltyCard.nullable(),
  start_date: dateTime.nullable(),
  expiration_date: dateTime.nullable(),
  validity_timeframe: timeframe.nullable(),
  validity_day_of_week: z.array(z.int().min(0).max(6)).nullable(),
  active: z.boolean(),
  additional_info: z.string().nullable(),
  metadata: z.looseObject({}),
  assets: z.object({ qr: asset, barcode: asset }),
  is_referral_code: z.literal(false),
  created_at: dateTime,
  updated_at: dateTime.nullable(),
  validation_rules_assignments: z.object({
    object: z.literal('list'),
    data_ref: z.literal('data'),
    data: z.array(z.never()),
    total: z.literal(0),
  }),
  publish: list.extend({ count: z.int() }),
  redemption: list.extend({ quantity: z.int().nullable(), redeemed_quantity: z.int() }),
  object: z.literal('voucher'),
});

/** The list's answer. */
export const voucherList = z.object({
  object: z.literal('list'),
  data_ref: z.literal('vouchers'),
  vouchers: z.array(voucher),
  total: z.int().describe('On all pages.'),
});

/** A refusal: section 3.1 of the contract. */
export const error = z.object({
  code: z.int().describe('The HTTP status.'),
  message: z.string(),
  key: z.string().optional(),
  details: z.string().optional(),
  request_id: z.string().optional(),
  resource_id: z.string().optional(),
  resource_type: z.string().optional(),
});

/** Section 3.2 of the contract. */
export const oauthToken = z.object({
  access_token: z.string(),
  client_id: z.string().describe('The X-App-Id that asked for it.'),
  expires_at: z.int().describe('Unix seconds.'),
  expires_in: z.int().describe('Seconds.'),
  scope: z.string().describe('Separated by spaces.'),
  token_type: z.literal('Bearer'),
});

/** The other shape, of 413 alone. */
export const tooLarge = z.object({ statusCode: z.literal(413), error: z.string(), message: z.string() });

export type Started = z.infer<typeof started>;
export type Action = z.infer<typeof action>;
export type ActionWithResult = z.infer<typeof actionWithResult>;
export type ActionList = z.infer<typeof actionList>;
export type Voucher = z.infer<typeof voucher>;
export type VoucherList = z.infer<typeof voucherList>;
export type OauthToken = z.infer<typeof oauthToken>;
export type ErrorBody = z.infer<typeof error>;
