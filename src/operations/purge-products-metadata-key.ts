import { definePurge } from '../domain/metadata-purge.ts';

/** PRODUCTS.METADATA_KEY_PURGE: removes one metadata key from all products. */
export const purgeProductsMetadataKey = definePurge({
  name: 'products.metadata_key_purge',
  actionType: 'PRODUCTS.METADATA_KEY_PURGE',
  mutation: 'purgeProductsMetadataKey',
  table: 'products',
  noun: 'products',
  restPath: '/v1/products/metadata/purge/async',
});
