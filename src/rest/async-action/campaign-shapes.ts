import { z } from 'zod';
import { campaignVoucher } from '../../domain/campaign-input.ts';
import { campaignCard, campaignDiscount, campaignGift, timeframe } from './stored-shapes.ts';

/** The bodies of campaigns (contract of the async actions, section 5.2). */

const dateTime = z.iso.datetime();
const status = z.enum(['DONE', 'IN_PROGRESS', 'FAILED', 'DRAFT', 'MODIFYING']);

/** A campaign; optional fields are left out where they are empty. */
export const campaign = z.object({
  id: z.string(),
  name: z.string(),
  description: z.string().optional(),
  campaign_type: z.enum(['DISCOUNT_COUPONS', 'GIFT_VOUCHERS', 'LOYALTY_PROGRAM', 'REFERRAL_PROGRAM']),
  type: z.enum(['AUTO_UPDATE', 'STATIC', 'STANDALONE']),
  voucher: campaignVoucher
    .extend({
      discount: campaignDiscount.optional(),
      gift: campaignGift.optional(),
      loyalty_card: campaignCard.optional(),
      is_referral_code: z.boolean(),
    })
    .describe('What each voucher is.'),
  auto_join: z.boolean(),
  join_once: z.boolean(),
  use_voucher_metadata_schema: z.boolean(),
  start_date: dateTime.optional(),
  expiration_date: dateTime.optional(),
  validity_timeframe: timeframe.optional(),
  validity_day_of_week: z.array(z.int().min(0).max(6)).optional(),
  validity_hours: z.looseObject({}).optional(),
  activity_duration_after_publishing: z.string().optional(),
  access_settings: z.looseObject({}).optional(),
  vouchers_count: z.int(),
  active: z.boolean(),
  metadata: z.looseObject({}),
  created_at: dateTime,
  updated_at: dateTime.optional(),
  category: z.string().optional(),
  creation_status: status.describe('DONE once nothing runs on its vouchers.'),
  vouchers_generation_status: status,
  protected: z.literal(false),
  category_id: z.null(),
  categories: z.array(z.never()),
  validation_rules_assignments: z.object({
    object: z.literal('list'),
    data_ref: z.literal('data'),
    data: z.array(z.never()),
    total: z.literal(0),
  }),
  object: z.literal('campaign'),
});

/** A page of campaigns, newest first. */
export const campaignList = z.object({
  object: z.literal('list'),
  data_ref: z.literal('campaigns'),
  campaigns: z.array(campaign),
  total: z.int(),
});

export type Campaign = z.infer<typeof campaign>;
export type CampaignList = z.infer<typeof campaignList>;
