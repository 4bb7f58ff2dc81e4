import type { CampaignRow } from '../db/catalog-tables.ts';
import type { Tx } from '../db/client.ts';
import { type CampaignInput, metadataResourceOf, toCampaignRecord } from './campaign-input.ts';
import { insertCampaign } from './campaigns.ts';
import { requireValidMetadata } from './metadata-schemas.ts';

/** Creates a campaign without vouchers, ready. Throws DUPLICATE_FOUND when its name is taken, BAD_USER_INPUT when it is not
 *  whole or its metadata does not fit the campaign schema. */
export async function createCampaign(tx: Tx, projectId: string, input: CampaignInput): Promise<CampaignRow> {
  const record = toCampaignRecord(input);
  await requireValidMetadata(tx, projectId, metadataResourceOf(record), input.metadata, { isNew: true });
  return insertCampaign(tx, projectId, record);
}
