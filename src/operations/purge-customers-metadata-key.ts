import { definePurge } from '../domain/metadata-purge.ts';

/** CUSTOMERS.METADATA_KEY_PURGE: removes one metadata key from all customers. */
export const purgeCustomersMetadataKey = definePurge({
  name: 'customers.metadata_key_purge',
  actionType: 'CUSTOMERS.METADATA_KEY_PURGE',
  mutation: 'purgeCustomersMetadataKey',
  table: 'customers',
  noun: 'customers',
  restPath: '/v1/customers/metadata/purge/async',
});
