import { definePurge } from '../domain/metadata-purge.ts';

/** ORDERS.METADATA_KEY_PURGE: removes one metadata key from all orders. */
export const purgeOrdersMetadataKey = definePurge({
  name: 'orders.metadata_key_purge',
  actionType: 'ORDERS.METADATA_KEY_PURGE',
  mutation: 'purgeOrdersMetadataKey',
  table: 'orders',
  noun: 'orders',
  restPath: '/v1/orders/metadata/purge/async',
});
