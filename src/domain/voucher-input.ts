import { z } from 'zod';
import { isStorable, jsonObject, unstorable } from '../tasks/input.ts';
import { readWireDate } from './dates.ts';
import { custom, reason } from './reasons.ts';
import type { VoucherRecord } from './vouchers.ts';

/** The voucher fields that an import reads (contract of the async actions, sections 1.2, 4.4 and 5.1). Others are skipped. */

export const discountTypes = ['AMOUNT', 'PERCENT', 'FIXED', 'UNIT'] as const;
export const voucherTypes = ['DISCOUNT_VOUCHER', 'GIFT_VOUCHER'] as const;
const effects = [
  'APPLY_TO_ORDER',
  'APPLY_TO_ITEMS',
  'APPLY_TO_ITEMS_PROPORTIONALLY',
  'APPLY_TO_ITEMS_PROPORTIONALLY_BY_QUANTITY',
  'APPLY_TO_ITEMS_BY_QUANTITY',
  'ADD_MISSING_ITEMS',
  'ADD_NEW_ITEMS',
  'ADD_MANY_ITEMS',
  'ADD_SAME_ITEMS',
] as const;

/** Minor units; every amount fits a bigint column and a number exactly. */
const amount = z.number().min(0).max(Number.MAX_SAFE_INTEGER);
const wholeAmount = z.int().min(0);
const count = z.int().min(0).max(2_147_483_647);
const shortText = z.string().max(2000);

const effect = z.enum(effects).meta({ id: 'DiscountEffect', description: 'What a discount is applied to.' });

const unit = z
  .object({
    unit_type: shortText.describe('What is added, such as a product.'),
    unit_off: amount.optional().describe('How many are added.'),
    effect: effect.optional().describe('How they are added.'),
  })
  .meta({ id: 'DiscountUnitInput', description: 'One kind of item that a discount adds.' });

const discount = z
  .object({
    type: z.enum(discountTypes).meta({ id: 'DiscountType', description: 'The kind of discount.' }),
    amount_off: amount.optional().describe('AMOUNT: minor units off.'),
    percent_off: z.number().min(0).max(100).optional().describe('PERCENT: per cent off, 0 to 100.'),
    amount_limit: amount.optional().describe('PERCENT: at most so many minor units off.'),
    aggregated_amount_limit: amount.optional().describe('At most so many minor units off over all redemptions.'),
    fixed_amount: amount.optional().describe('FIXED: the price to pay, in minor units.'),
    unit_off: amount.optional().describe('UNIT: how many items are added.'),
    unit_type: shortText.optional().describe('UNIT: what is added.'),
    units: z.array(unit).max(100).optional().describe('UNIT with ADD_MANY_ITEMS: everything that is added.'),
    effect: effect.optional().describe('What the discount is applied to.'),
  })
  .superRefine((value, context) => {
    const field = requiredDiscountField(value);
    if (field !== undefined && value[field] === undefined) {
      context.addIssue(custom([], reason(`discount.${field}`, 'must be a number, property is required', undefined)));
    }
  })
  .meta({ id: 'DiscountInput', description: 'What a discount voucher takes off.' });

const gift = z
  .object({
    amount: wholeAmount.describe('What the card is worth, in minor units.'),
    effect: z
      .enum(['APPLY_TO_ORDER', 'APPLY_TO_ITEMS'])
      .meta({ id: 'GiftEffect', description: 'What a gift card pays for.' })
      .optional()
      .describe('What the card pays for.'),
  })
  .meta({ id: 'GiftInput', description: 'The credit of a gift voucher.' });

const wireDate = (description: string) =>
  z
    .string()
    .refine((text) => readWireDate(text) !== undefined, 'must be an ISO 8601 date')
    .nullable()
    .optional()
    .meta({ graphql: 'DateTime', description });

/** One voucher of VOUCHERS.IMPORT. */
export const voucherInput = z
  .object({
    code: z.string().min(1).max(255).describe('Unique in the project.'),
    type: z
      .enum(voucherTypes)
      .meta({ id: 'ImportedVoucherType', description: 'The kinds of voucher that an import makes.' })
      .optional()
      .describe('Default: GIFT_VOUCHER when there is a gift, else DISCOUNT_VOUCHER.'),
    discount: discount.optional().describe('Required for a discount voucher.'),
    gift: gift.optional().describe('Required for a gift voucher.'),
    redemption: z
      .object({ quantity: count.nullable().optional().describe('How often; null or absent: without limit.') })
      .meta({ id: 'RedemptionInput', description: 'How often a voucher can be redeemed.' })
      .optional()
      .describe('How often it can be redeemed; absent: without limit.'),
    active: z.boolean().optional().describe('Default: true.'),
    category: shortText.nullable().optional().describe('Name of a category.'),
    start_date: wireDate('From when it is valid.'),
    expiration_date: wireDate('Until when it is valid.'),
    validity_timeframe: z
      .object({
        interval: shortText.describe('ISO 8601 duration: how often the frame recurs.'),
        duration: shortText.describe('ISO 8601 duration: how long it lasts each time.'),
      })
      .meta({ id: 'ValidityTimeframeInput', description: 'A recurring frame of validity; needs a start date.' })
      .nullable()
      .optional()
      .describe('Recurring frame of validity; needs a start date.'),
    validity_day_of_week: z
      .array(z.int().min(0).max(6))
      .max(7)
      .nullable()
      .optional()
      .describe('Days on which it is valid, 0 = Sunday to 6.'),
    additional_info: shortText.nullable().optional().describe('Free text.'),
    metadata: jsonObject().optional().meta({ graphql: 'JSON', description: 'An object of your own keys and values.' }),
  })
  .superRefine((value, context) => {
    if (!isStorable(value)) {
      const unfit = Object.entries(value).find(([, part]) => !isStorable(part))?.[0] ?? '';
      context.addIssue(custom([unfit], `${unfit}: ${unstorable}`));
    }
    const type = typeOf(value);
    if (type === 'DISCOUNT_VOUCHER' && value.discount === undefined) {
      context.addIssue(custom(['discount'], reason('discount', 'must be an object, property is required', undefined)));
    }
    if (type === 'GIFT_VOUCHER' && value.gift === undefined) {
      context.addIssue(custom(['gift'], reason('gift', 'must be an object, property is required', undefined)));
    }
    if (value.validity_timeframe && !value.start_date) {
      context.addIssue(
        custom(['start_date'], reason('start_date', 'property is required with validity_timeframe', undefined)),
      );
    }
  })
  .meta({ id: 'VoucherInput', description: 'One voucher to import. Fields left out become empty.' });
export type VoucherInput = z.infer<typeof voucherInput>;

/** The row of a valid voucher. */
export function toVoucherRecord(voucher: VoucherInput): VoucherRecord {
  const isGift = typeOf(voucher) === 'GIFT_VOUCHER';
  return {
    code: voucher.code,
    type: typeOf(voucher),
    discount: isGift ? null : JSON.stringify(voucher.discount),
    gift_amount: isGift ? (voucher.gift?.amount ?? 0) : null,
    gift_effect: isGift ? (voucher.gift?.effect ?? null) : null,
    redeemed_amount: 0,
    category: voucher.category ?? null,
    start_date: toDate(voucher.start_date),
    expiration_date: toDate(voucher.expiration_date),
    validity_timeframe: voucher.validity_timeframe ? JSON.stringify(voucher.validity_timeframe) : null,
    validity_day_of_week: voucher.validity_day_of_week ? `{${voucher.validity_day_of_week.join(',')}}` : null,
    redemption_quantity: voucher.redemption?.quantity ?? null,
    redeemed_quantity: 0,
    active: voucher.active ?? true,
    additional_info: voucher.additional_info ?? null,
    metadata: JSON.stringify(voucher.metadata ?? {}),
  };
}

function typeOf(voucher: { type?: VoucherRecord['type'] | undefined; gift?: unknown }): VoucherRecord['type'] {
  return voucher.type ?? (voucher.gift === undefined ? 'DISCOUNT_VOUCHER' : 'GIFT_VOUCHER');
}

function toDate(value: string | null | undefined): Date | null {
  return value ? (readWireDate(value) ?? null) : null;
}

/** Which field each type needs; UNIT needs `unit_type` only where it does not list `units`. */
function requiredDiscountField(value: { type: string; units?: unknown }) {
  switch (value.type) {
    case 'AMOUNT':
      return 'amount_off' as const;
    case 'PERCENT':
      return 'percent_off' as const;
    case 'FIXED':
      return 'fixed_amount' as const;
    default:
      return value.units === undefined ? ('unit_type' as const) : undefined;
  }
}
