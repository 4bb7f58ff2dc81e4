import { z } from 'zod';
import type { JsonObject } from '../db/json.ts';
import { createCampaign } from '../domain/campaign-creation.ts';
import { checkGeneration, generate, generationSpec } from '../domain/campaign-generation.ts';
import { type CampaignInput, campaignInput, refuseUnstorable } from '../domain/campaign-input.ts';
import { generatedVoucher } from '../domain/campaign-voucher-input.ts';
import { beginCampaignAgain } from '../domain/campaign-work.ts';
import {
  beginCampaignWork,
  endCampaignWork,
  failCampaignWork,
  lockCampaign,
  requireLocked,
} from '../domain/campaigns.ts';
import { id } from '../tasks/input.ts';
import { defineOperation } from '../tasks/operation.ts';

const input = z
  .object({
    ...generatedVoucher,
    campaign_id: id("The campaign's id or name."),
    vouchers_count: z.int().min(1).describe('How many vouchers to generate.'),
  })
  .superRefine(refuseUnstorable);
const parameters = z.object({ campaignId: z.string(), spec: generationSpec });

/** CAMPAIGN.VOUCHERS_GENERATE: adds vouchers with codes of its own making to a campaign. */
export const generateCampaignVouchers = defineOperation<z.infer<typeof input>, never>({
  name: 'campaigns.vouchers_generate',
  model: 'ASYNC_ACTION',
  actionType: 'CAMPAIGN.VOUCHERS_GENERATE',
  result: { family: 'COUNT', verb: 'Generated', noun: 'vouchers' },
  chunkSize: 5_000,
  mutation: { name: 'generateCampaignVouchers', description: 'Adds vouchers with generated codes to a campaign.' },
  input,
  // Only several vouchers are a task, and a creation may start it: rest/async-action/campaigns.ts.
  rest: null,

  async plan({ campaign_id, vouchers_count, ...spec }, { tx, projectId }) {
    const campaign = await requireLocked(tx, projectId, campaign_id);
    await checkGeneration(tx, campaign, vouchers_count, spec);
    await beginCampaignWork(tx, campaign.id, 'IN_PROGRESS');
    return { parameters: { campaignId: campaign.id, spec: withoutAbsent(spec) }, items: { count: vouchers_count } };
  },

  async apply({ firstRow, size }, context) {
    const { campaignId, spec } = parameters.parse(context.parameters);
    const campaign = await lockCampaign(context.tx, context.projectId, campaignId);
    const made = campaign === undefined ? [] : await generate(context.tx, campaign, size, spec);
    const code = campaign === undefined ? 'NOT_FOUND' : 'CODES_EXHAUSTED';
    const message =
      campaign === undefined
        ? `Cannot find campaign with id ${campaignId}`
        : 'No further code is free for the campaign';
    const failures = Array.from({ length: size - made.length }, (_, index) => ({
      row: firstRow + made.length + index,
      key: null,
      code,
      message,
    }));
    return { failures };
  },

  replan: beginCampaignAgain('IN_PROGRESS'),
  finish: endCampaignWork,
  abandon: failCampaignWork,
});

/** The same task for a campaign that is created with it, in one transaction: the input is the campaign. */
export const createCampaignVouchers = defineOperation<CampaignInput, never>({
  ...generateCampaignVouchers,
  input: campaignInput,
  async plan(campaign, context) {
    const { id: campaign_id } = await createCampaign(context.tx, context.projectId, campaign);
    const vouchers_count = campaign.vouchers_count ?? 0;
    return generateCampaignVouchers.plan({ campaign_id, vouchers_count }, context);
  },
});

function withoutAbsent(spec: object): JsonObject {
  return JSON.parse(JSON.stringify(spec));
}
