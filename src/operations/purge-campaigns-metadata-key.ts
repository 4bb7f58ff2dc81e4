import { definePurge } from '../domain/metadata-purge.ts';

/** CAMPAIGNS.METADATA_KEY_PURGE: removes one metadata key from all campaigns. */
export const purgeCampaignsMetadataKey = definePurge({
  name: 'campaigns.metadata_key_purge',
  actionType: 'CAMPAIGNS.METADATA_KEY_PURGE',
  mutation: 'purgeCampaignsMetadataKey',
  table: 'campaigns',
  noun: 'campaigns',
  restPath: '/v1/campaigns/metadata/purge/async',
});
