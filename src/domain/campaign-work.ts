import { z } from 'zod';
import type { JsonObject } from '../db/json.ts';
import type { ApplyContext, PlanContext } from '../tasks/operation.ts';
import { beginCampaignWork, lockCampaign } from './campaigns.ts';

const workParameters = z.object({ campaignId: z.string() });

/** The `replan` of a task on a campaign's vouchers, whose parameters hold its `campaignId`. */
export function beginCampaignAgain(status: Parameters<typeof beginCampaignWork>[2]) {
  return async (parameters: JsonObject, { tx }: PlanContext): Promise<JsonObject> => {
    await beginCampaignWork(tx, workParameters.parse(parameters).campaignId, status);
    return parameters;
  };
}

/** Takes the campaign of such a task, if it is still there. */
export async function lockItsCampaign({ tx, projectId, parameters }: ApplyContext): Promise<void> {
  await lockCampaign(tx, projectId, workParameters.parse(parameters).campaignId);
}
