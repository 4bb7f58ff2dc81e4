import type { AnyOperation } from '../tasks/operation.ts';
import { bulkUpdateCustomers } from './bulk-update-customers.ts';
import { bulkUpdateProducts } from './bulk-update-products.ts';
import { bulkUpdateVouchers } from './bulk-update-vouchers.ts';
import { deleteCampaignVouchers } from './delete-campaign-vouchers.ts';
import { generateCampaignVouchers } from './generate-campaign-vouchers.ts';
import { importCampaignVouchers } from './import-campaign-vouchers.ts';
import { importCampaignVouchersCsv } from './import-campaign-vouchers-csv.ts';
import { importCustomersCsv } from './import-customers-csv.ts';
import { importOrders } from './import-orders.ts';
import { importProductsCsv } from './import-products-csv.ts';
import { importSkusCsv } from './import-skus-csv.ts';
import { importVouchers } from './import-vouchers.ts';
import { importVouchersCsv } from './import-vouchers-csv.ts';
import { issueGiftCards } from './issue-gift-cards.ts';
import { purgeCampaignsMetadataKey } from './purge-campaigns-metadata-key.ts';
import { purgeCustomersMetadataKey } from './purge-customers-metadata-key.ts';
import { purgeOrdersMetadataKey } from './purge-orders-metadata-key.ts';
import { purgeProductsMetadataKey } from './purge-products-metadata-key.ts';
import { purgeVouchersMetadataKey } from './purge-vouchers-metadata-key.ts';
import { updateCampaignVouchers } from './update-campaign-vouchers.ts';
import { updateCustomersMetadata } from './update-customers-metadata.ts';
import { updateProductsMetadata } from './update-products-metadata.ts';
import { updateVouchersMetadata } from './update-vouchers-metadata.ts';

/** Every bulk type there is: one line each. */
const all: readonly AnyOperation[] = [
  issueGiftCards, //
  importVouchers,
  importVouchersCsv,
  bulkUpdateVouchers,
  updateVouchersMetadata,
  purgeVouchersMetadataKey,
  importCustomersCsv,
  bulkUpdateCustomers,
  updateCustomersMetadata,
  purgeCustomersMetadataKey,
  importOrders,
  purgeOrdersMetadataKey,
  importProductsCsv,
  bulkUpdateProducts,
  updateProductsMetadata,
  purgeProductsMetadataKey,
  importSkusCsv,
  importCampaignVouchers,
  importCampaignVouchersCsv,
  updateCampaignVouchers,
  deleteCampaignVouchers,
  generateCampaignVouchers,
  purgeCampaignsMetadataKey,
];

/** By their stored names. */
export const operations: ReadonlyMap<string, AnyOperation> = new Map(
  all.map((operation) => [operation.name, operation]),
);
