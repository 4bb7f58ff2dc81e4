import { z } from 'zod';
import { badInput } from '../errors.ts';
import { isStorable, jsonObject, unstorable } from '../tasks/input.ts';
import type { CampaignRecord } from './campaigns.ts';
import { readWireDate } from './dates.ts';
import { custom } from './reasons.ts';
import { codeConfig, codeConfigInput, toCodeConfig } from './voucher-codes.ts';
import { voucherInput } from './voucher-input.ts';

/** What a client says of a campaign (contract of the async actions, sections 1.3, 4.4 and 5.2). Other fields are skipped. */

const { start_date, expiration_date, validity_timeframe, validity_day_of_week, redemption, metadata } =
  voucherInput.shape;
const discount = voucherInput.shape.discount.unwrap();
const gift = voucherInput.shape.gift.unwrap();
const shortText = z.string().max(2000);
const json = (description: string) => jsonObject().meta({ graphql: 'JSON', description });

export const campaignTypes = ['AUTO_UPDATE', 'STATIC', 'STANDALONE'] as const;
const kinds = {
  DISCOUNT_VOUCHER: ['DISCOUNT_COUPONS', 'REFERRAL_PROGRAM'],
  GIFT_VOUCHER: ['GIFT_VOUCHERS'],
  LOYALTY_CARD: ['LOYALTY_PROGRAM'],
} as const;
/** Every campaign type of the contract but PROMOTION, whose campaigns have no vouchers. */
export const campaignKinds = Object.values(kinds).flat();
const voucherTypes = ['DISCOUNT_VOUCHER', 'GIFT_VOUCHER', 'LOYALTY_CARD'] as const;

const loyaltyCard = z
  .object({ points: z.int().min(0).describe('Points on each card.') })
  .meta({ id: 'LoyaltyCardInput', description: 'The points of a loyalty card.' });
export const loyaltyCardInput = loyaltyCard.optional().describe('The card, where the campaign is a loyalty program.');

/** Fields that a campaign is created and updated with. */
const common = {
  description: shortText.nullable().optional().describe('Free text.'),
  category: shortText.nullable().optional().describe('Name of a category.'),
  start_date,
  expiration_date,
  validity_timeframe,
  validity_day_of_week,
  validity_hours: json('Hours of validity by day.').nullable().optional(),
  activity_duration_after_publishing: shortText
    .nullable()
    .optional()
    .describe('ISO 8601 duration: how long a voucher is valid once it is published.'),
  access_settings: json('Who may work with the campaign.').nullable().optional(),
  auto_join: z.boolean().optional().describe('Whether customers join by themselves; default false.'),
  join_once: z.boolean().optional().describe('Whether a customer can join only once; default false.'),
  metadata,
};

/** The body of a creation. */
export const campaignInput = z
  .object({
    ...common,
    name: z.string().min(1).max(255).describe('Unique in the project.'),
    campaign_type: z.enum(campaignKinds).optional().describe('Default: as the type of its vouchers.'),
    type: z.enum(campaignTypes).optional().describe('Default: STATIC with a vouchers_count, else AUTO_UPDATE.'),
    use_voucher_metadata_schema: z.boolean().optional().describe('Which schema the metadata of its vouchers fits.'),
    vouchers_count: z.int().min(0).optional().describe('How many vouchers to generate; default 0.'),
    voucher: z
      .object({
        type: z.enum(voucherTypes).optional(),
        discount: discount.optional(),
        gift: gift.optional(),
        loyalty_card: loyaltyCardInput,
        redemption,
        code_config: codeConfigInput.optional(),
      })
      .describe('What each voucher is.'),
  })
  .superRefine(refuseUnstorable);
export type CampaignInput = z.infer<typeof campaignInput>;

/** What an update may give; what is absent stays. */
export const campaignChanges = {
  ...common,
  type: z
    .enum(campaignTypes)
    .meta({ id: 'CampaignMode', description: 'How a campaign gets its vouchers.' })
    .optional()
    .describe('How the campaign gets its vouchers.'),
  unset_metadata_fields: z.array(z.string()).nullable().optional().describe('Metadata keys to remove.'),
  discount: discount.optional().describe('What its discount vouchers take off; the type cannot change.'),
  gift: gift.optional().describe('What its gift vouchers pay for; the amount cannot change.'),
};

/** What each voucher of a campaign is, as it is stored and told. */
export const campaignVoucher = z.looseObject({
  type: z.enum(voucherTypes),
  discount: z.looseObject({ type: z.string() }).optional(),
  gift: z.looseObject({ amount: z.number() }).optional(),
  loyalty_card: z.looseObject({ points: z.number() }).optional(),
  redemption: z.object({ quantity: z.number().nullable() }),
  code_config: codeConfig,
});
export type CampaignVoucher = z.infer<typeof campaignVoucher>;

/** The row of a valid creation. Throws BAD_USER_INPUT: INVALID_CAMPAIGN when its parts do not belong together,
 *  INVALID_CODE_CONFIG when its codes cannot be made. */
export function toCampaignRecord(input: CampaignInput): CampaignRecord {
  const type = voucherTypeOf(input);
  const [defaultKind, ...others] = kinds[type];
  const kind = input.campaign_type ?? defaultKind;
  if (kind !== defaultKind && !others.some((other) => other === kind)) {
    throw invalidCampaign(['campaign_type'], `A ${kind} campaign cannot have vouchers of the type ${type}`);
  }
  return {
    name: input.name,
    campaign_type: kind,
    type: input.type ?? (input.vouchers_count === undefined ? 'AUTO_UPDATE' : 'STATIC'),
    voucher: JSON.stringify(toVoucher(input, type, kind)),
    description: input.description ?? null,
    category: input.category ?? null,
    start_date: toDate(input.start_date),
    expiration_date: toDate(input.expiration_date),
    validity_timeframe: toJson(input.validity_timeframe),
    validity_day_of_week: input.validity_day_of_week ?? null,
    validity_hours: toJson(input.validity_hours),
    activity_duration_after_publishing: input.activity_duration_after_publishing ?? null,
    access_settings: toJson(input.access_settings),
    auto_join: input.auto_join ?? false,
    join_once: input.join_once ?? false,
    use_voucher_metadata_schema: input.use_voucher_metadata_schema ?? false,
    metadata: JSON.stringify(input.metadata ?? {}),
  };
}

/** Which schema the metadata of a campaign, and of its vouchers, must fit (contract, section 4.3). */
export function metadataResourceOf(campaign: {
  readonly use_voucher_metadata_schema: boolean;
}): 'voucher' | 'campaign' {
  return campaign.use_voucher_metadata_schema ? 'voucher' : 'campaign';
}

/** A moment of the wire; null for none. */
export function toDate(value: string | null | undefined): Date | null {
  return value ? (readWireDate(value) ?? null) : null;
}

/** The text of a jsonb column; null for none. */
export function toJson(value: object | null | undefined): string | null {
  return value ? JSON.stringify(value) : null;
}

/** The refusal of a campaign: BAD_USER_INPUT with INVALID_CAMPAIGN. */
export function invalidCampaign(path: readonly string[], message: string) {
  return badInput(path, 'INVALID_CAMPAIGN', message);
}

/** For a schema's superRefine: names the first property that holds text which cannot be stored. */
export function refuseUnstorable(value: object, context: z.RefinementCtx): void {
  const unfit = Object.entries(value).find(([, part]) => !isStorable(part));
  if (unfit !== undefined) context.addIssue(custom([unfit[0]], unstorable));
}

function voucherTypeOf({ voucher, campaign_type }: CampaignInput): CampaignVoucher['type'] {
  if (voucher.type !== undefined) return voucher.type;
  const ofKind = voucherTypes.find((type) => kinds[type].some((kind) => kind === campaign_type));
  if (ofKind !== undefined) return ofKind;
  if (voucher.gift !== undefined) return 'GIFT_VOUCHER';
  return voucher.loyalty_card === undefined ? 'DISCOUNT_VOUCHER' : 'LOYALTY_CARD';
}

const partOf = { DISCOUNT_VOUCHER: 'discount', GIFT_VOUCHER: 'gift', LOYALTY_CARD: 'loyalty_card' } as const;

function toVoucher({ voucher }: CampaignInput, type: CampaignVoucher['type'], kind: string): object {
  const part = partOf[type];
  if (voucher[part] === undefined) {
    throw invalidCampaign(['voucher', part], `Property '${part}' is required for ${kind} campaign`);
  }
  return {
    type,
    [part]: voucher[part],
    redemption: { quantity: voucher.redemption?.quantity ?? null },
    code_config: toCodeConfig(voucher.code_config),
    is_referral_code: kind === 'REFERRAL_PROGRAM',
  };
}
