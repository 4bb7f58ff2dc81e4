import { campaignVoucher } from '../../domain/campaign-input.ts';
import type { CampaignWithCount } from '../../domain/campaigns.ts';
import type { Campaign } from './campaign-shapes.ts';

/** A campaign as section 5.2 of the contract has it: what is optional and empty is left out. */
export function describeCampaign(row: CampaignWithCount): Campaign {
  const { id, name, campaign_type, type, auto_join, join_once, use_voucher_metadata_schema } = row;
  return {
    id,
    name,
    ...(row.description !== null && { description: row.description }),
    campaign_type,
    type,
    voucher: describeVoucherOf(row),
    auto_join,
    join_once,
    use_voucher_metadata_schema,
    ...describeValidity(row),
    ...(row.access_settings && { access_settings: { ...row.access_settings } }),
    vouchers_count: row.vouchers_count,
    active: row.active,
    metadata: { ...row.metadata },
    created_at: row.created_at.toISOString(),
    ...(row.updated_at && { updated_at: row.updated_at.toISOString() }),
    ...(row.category !== null && { category: row.category }),
    creation_status: row.creation_status,
    vouchers_generation_status: row.vouchers_generation_status,
    protected: false,
    category_id: null,
    categories: [],
    validation_rules_assignments: { object: 'list', data_ref: 'data', data: [], total: 0 },
    object: 'campaign',
  };
}

function describeValidity(row: CampaignWithCount) {
  const { activity_duration_after_publishing: duration } = row;
  return {
    ...(row.start_date && { start_date: row.start_date.toISOString() }),
    ...(row.expiration_date && { expiration_date: row.expiration_date.toISOString() }),
    ...(row.validity_timeframe && { validity_timeframe: { ...row.validity_timeframe } }),
    ...(row.validity_day_of_week && { validity_day_of_week: row.validity_day_of_week }),
    ...(row.validity_hours && { validity_hours: { ...row.validity_hours } }),
    ...(duration !== null && { activity_duration_after_publishing: duration }),
  };
}

function describeVoucherOf(row: CampaignWithCount): Campaign['voucher'] {
  const { gift, ...voucher } = campaignVoucher.parse(row.voucher);
  return {
    ...voucher,
    ...(gift && { gift: { ...gift, balance: gift.amount } }),
    is_referral_code: row.campaign_type === 'REFERRAL_PROGRAM',
  };
}
