import { z } from 'zod';
import { deleteVouchers, findVoucherIds } from '../domain/campaign-vouchers.ts';
import { binCampaign, removeCampaign, requireLocked } from '../domain/campaigns.ts';
import { id } from '../tasks/input.ts';
import { defineOperation } from '../tasks/operation.ts';

const input = z.object({
  campaign_id: id("The campaign's id or name."),
  force: z
    .boolean()
    .default(false)
    .describe('Whether all is removed for good and the names are free again; else they stay taken, in the bin.'),
});
const parameters = z.object({ campaignId: z.string(), force: z.boolean() });

/** CAMPAIGN.VOUCHERS_DELETE: deletes a campaign, which nobody finds any more once this is started, and its vouchers. */
export const deleteCampaignVouchers = defineOperation<z.infer<typeof input>, string>({
  name: 'campaigns.vouchers_delete',
  model: 'ASYNC_ACTION',
  actionType: 'CAMPAIGN.VOUCHERS_DELETE',
  result: { family: 'COUNT', verb: 'Deleted', noun: 'vouchers' },
  chunkSize: 2_000,
  mutation: { name: 'deleteCampaignVouchers', description: 'Deletes a campaign and all its vouchers.' },
  input,
  rest: {
    method: 'DELETE',
    path: '/v1/campaigns/:campaignId',
    status: 202,
    body: 'none',
    toInput: ({ params, query }) => ({
      campaign_id: Reflect.get(Object(params), 'campaignId'),
      force: readForce(Reflect.get(Object(query), 'force')),
    }),
  },

  async plan({ campaign_id, force }, { tx, projectId }) {
    const { id: campaignId } = await requireLocked(tx, projectId, campaign_id);
    await binCampaign(tx, campaignId);
    const ids = await findVoucherIds(tx, campaignId, { untouched: false });
    if (ids === undefined && force) await removeCampaign(tx, campaignId);
    return { parameters: { campaignId, force }, items: ids ?? [] };
  },

  async apply({ items }, context) {
    const { campaignId, force } = parameters.parse(context.parameters);
    await deleteVouchers(context.tx, campaignId, items, { force });
    return { failures: [] };
  },

  async finish(context) {
    const { campaignId, force } = parameters.parse(context.parameters);
    if (force) await removeCampaign(context.tx, campaignId);
  },
});

function readForce(given: unknown): unknown {
  if (given === 'true') return true;
  return given === 'false' || given === '' ? false : given;
}
