import { z } from 'zod';
import type { JsonObject } from '../db/json.ts';
import type { PlanContext } from '../tasks/operation.ts';
import { beginCampaignWork } from './campaigns.ts';

const workParameters = z.object({ campaignId: z.string() });

/** The `replan` of a task on a campaign's vouchers, whose parameters hold its `campaignId`. */
export function beginCampaignAgain(status: Parameters<typeof beginCampaignWork>[2]) {
  return async (parameters: JsonObject, { tx }: PlanContext): Promise<JsonObject> => {
    await beginCampaignWork(tx, workParameters.parse(parameters).campaignId, status);
    return parameters;
  };
}
