import { z } from 'zod';
import type { CampaignRow } from '../db/catalog-tables.ts';
import type { JsonObject } from '../db/json.ts';
import { campaignVoucher, loyaltyCardInput, refuseUnstorable, toDate, toJson } from './campaign-input.ts';
import type { CampaignVoucherRecord } from './campaign-vouchers.ts';
import { mergeMetadata } from './campaigns.ts';
import { codeConfigInput } from './voucher-codes.ts';
import { voucherInput } from './voucher-input.ts';

/** What a client says of the vouchers that it adds to a campaign (contract, sections 1.2 and 1.3). What it does not say, the
 *  campaign gives; its metadata is merged by key. */

const { category, redemption, additional_info, start_date, expiration_date, metadata, code, active, gift } =
  voucherInput.shape;
const { validity_timeframe, validity_day_of_week } = voucherInput.shape;

/** What generated vouchers are given. */
export const generatedVoucher = {
  code: z.string().min(1).max(255).optional().describe('The code itself, for one voucher.'),
  code_config: codeConfigInput.optional().describe("How codes are made; default: as the campaign's."),
  category,
  metadata,
  redemption,
  additional_info,
  start_date,
  expiration_date,
};
/** The body that adds vouchers. */
export const addedVouchersBody = z.object(generatedVoucher).superRefine(refuseUnstorable);

/** One voucher of CAMPAIGN.VOUCHERS_IMPORT. */
export const campaignVoucherInput = z
  .object({
    code,
    active,
    category,
    redemption,
    gift: gift.describe('The credit, in a campaign of gift vouchers.'),
    loyalty_card: loyaltyCardInput,
    start_date,
    expiration_date,
    validity_timeframe,
    validity_day_of_week,
    additional_info,
    metadata,
  })
  .superRefine(refuseUnstorable)
  .meta({ id: 'CampaignVoucherInput', description: 'One voucher to import into a campaign; only the code is needed.' });

/** All that a voucher may say for itself. */
interface Given extends Partial<Omit<z.infer<typeof campaignVoucherInput>, 'code' | 'metadata'>> {
  readonly metadata?: JsonObject | undefined;
}

/** Makes the rows of vouchers of this campaign. */
export function voucherMaker(
  campaign: CampaignRow,
): (
  code: string,
  given: Given,
  used?: { readonly amount: number; readonly quantity: number },
) => CampaignVoucherRecord {
  const voucher = campaignVoucher.parse(campaign.voucher);
  const or = <Value>(given: Value | undefined, fallback: Value): Value => (given === undefined ? fallback : given);
  const frame = toJson(campaign.validity_timeframe);
  return (code, given, used = { amount: 0, quantity: 0 }) => ({
    code,
    gift_amount: voucher.gift === undefined ? null : (given.gift?.amount ?? voucher.gift.amount),
    loyalty_points:
      voucher.loyalty_card === undefined ? null : (given.loyalty_card?.points ?? voucher.loyalty_card.points),
    redeemed_amount: used.amount,
    category: or(given.category, campaign.category),
    start_date: given.start_date === undefined ? campaign.start_date : toDate(given.start_date),
    expiration_date: given.expiration_date === undefined ? campaign.expiration_date : toDate(given.expiration_date),
    validity_timeframe: given.validity_timeframe === undefined ? frame : toJson(given.validity_timeframe),
    validity_day_of_week: toArray(or(given.validity_day_of_week, campaign.validity_day_of_week)),
    redemption_quantity: or(given.redemption?.quantity, voucher.redemption.quantity),
    redeemed_quantity: used.quantity,
    active: given.active ?? campaign.active,
    additional_info: given.additional_info ?? null,
    metadata: JSON.stringify(mergeMetadata(campaign.metadata, given.metadata)),
  });
}

function toArray(days: readonly number[] | null): string | null {
  return days && `{${days.join(',')}}`;
}
