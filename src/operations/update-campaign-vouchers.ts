import { z } from 'zod';
import { planChanges } from '../domain/campaign-changes.ts';
import { campaignChanges, refuseUnstorable } from '../domain/campaign-input.ts';
import { findVoucherIds, followCampaign, followingColumns } from '../domain/campaign-vouchers.ts';
import { beginCampaignAgain } from '../domain/campaign-work.ts';
import {
  beginCampaignWork,
  endCampaignWork,
  failCampaignWork,
  lockCampaign,
  requireLocked,
  updateCampaign,
} from '../domain/campaigns.ts';
import { id } from '../tasks/input.ts';
import { type Chunk, defineOperation, type Failure } from '../tasks/operation.ts';

const input = z
  .object({ ...campaignChanges, campaign_id: id("The campaign's id or name.") })
  .superRefine(refuseUnstorable);
const parameters = z.object({
  campaignId: z.string(),
  columns: z.array(z.enum(followingColumns)),
  metadataKeys: z.array(z.string()),
});

/**
 * CAMPAIGN.VOUCHERS_UPDATE: changes a campaign at once, and brings its vouchers that are not yet published or redeemed to what
 * it says then. A chunk reads the campaign anew, so that of two updates the later one wins for every voucher.
 */
export const updateCampaignVouchers = defineOperation<z.infer<typeof input>, string>({
  name: 'campaigns.vouchers_update',
  model: 'ASYNC_ACTION',
  actionType: 'CAMPAIGN.VOUCHERS_UPDATE',
  result: { family: 'COUNT', verb: 'Updated', noun: 'vouchers' },
  chunkSize: 2_000,
  mutation: {
    name: 'updateCampaignVouchers',
    description: 'Changes a campaign, and its vouchers that are not yet published or redeemed. What is absent stays.',
  },
  input,
  // Answered with the campaign instead of an action: rest/async-action/campaigns.ts.
  rest: null,

  async plan({ campaign_id, ...given }, { tx, projectId }) {
    const campaign = await requireLocked(tx, projectId, campaign_id);
    const { campaign: changes, columns, metadataKeys } = await planChanges(tx, campaign, given);
    const ids = await findVoucherIds(tx, campaign.id, { untouched: true });
    await updateCampaign(tx, campaign.id, changes, { touch: true });
    if (ids !== undefined) await beginCampaignWork(tx, campaign.id, 'MODIFYING');
    return {
      parameters: { campaignId: campaign.id, columns, metadataKeys },
      items: ids ?? [],
    };
  },

  async apply(chunk, context) {
    const { campaignId, ...what } = parameters.parse(context.parameters);
    const campaign = await lockCampaign(context.tx, context.projectId, campaignId);
    if (campaign === undefined) return { failures: refuse(chunk, new Set()) };
    return { failures: refuse(chunk, await followCampaign(context.tx, campaign, chunk.items, what)) };
  },

  replan: beginCampaignAgain('MODIFYING'),
  finish: endCampaignWork,
  abandon: failCampaignWork,
});

function refuse(chunk: Chunk<string>, written: ReadonlySet<string>): Failure[] {
  const failures = chunk.items.map((key, index) => ({
    row: chunk.firstRow + index,
    key,
    code: 'CANNOT_CHANGE',
    message: 'The voucher was published, redeemed or deleted meanwhile',
  }));
  return failures.filter(({ key }) => !written.has(key));
}
