import { definePurge } from '../domain/metadata-purge.ts';

/** VOUCHERS.METADATA_KEY_PURGE: removes one metadata key from all vouchers. */
export const purgeVouchersMetadataKey = definePurge({
  name: 'vouchers.metadata_key_purge',
  actionType: 'VOUCHERS.METADATA_KEY_PURGE',
  mutation: 'purgeVouchersMetadataKey',
  table: 'vouchers',
  noun: 'vouchers',
  restPath: '/v1/vouchers/metadata/purge/async',
});
