const season = { season: 'winter' };
const keys = { source_ids: ['crm-1', 'crm-2'], metadata: season };
const purge = { key: 'season' };
const amountOff = { type: 'AMOUNT', amount_off: 500 };
const order = {
  source_id: 'order-1',
  status: 'PAID',
  items: [{ price: 1500, quantity: 2 }],
  customer: { source_id: 'crm-1', name: 'Ada' },
};

/** A body for each operation that takes one, by its id; of a form the fields, where a file is told by its text. */
export const bodyExamples: Readonly<Record<string, unknown>> = {
  token: { username: 'merchant', password: 'secret', grant_type: 'password' },
  'generate-oauth-token': { grant_type: 'client_credentials', scope: 'async-actions vouchers' },
  bulkIssue: { initialValue: '25.00', count: 200 },

  'vouchers.import': [{ code: 'HELLO10', type: 'DISCOUNT_VOUCHER', discount: { type: 'PERCENT', percent_off: 10 } }],
  'vouchers.import_csv': { file: 'Code,Voucher Type,Discount Type,Value\nHELLO20,DISCOUNT_VOUCHER,PERCENT,20\n' },
  'vouchers.bulk_update': [{ code: 'HELLO10', metadata: season }],
  'vouchers.metadata_update': { codes: ['HELLO10'], metadata: season },
  'vouchers.metadata_key_purge': purge,

  'create-campaign': {
    name: 'Winter',
    voucher: { type: 'DISCOUNT_VOUCHER', discount: amountOff },
    vouchers_count: 100,
  },
  'update-campaign': { description: 'Until the end of March', discount: amountOff },
  'add-vouchers-to-campaign': { category: 'newsletter' },
  'add-voucher-with-code-to-campaign': { metadata: season },
  'campaigns.vouchers_import': [{ code: 'WINTER-1', metadata: season }],
  'campaigns.vouchers_import_csv': { file: 'Code,Category\nWINTER-2,newsletter\n' },
  'campaigns.metadata_key_purge': purge,

  'create-customer': { source_id: 'crm-1', name: 'Ada', email: 'ada@example.com', metadata: season },
  'update-customer': { phone: '+39 06 1234', address: { city: 'Rome', country: 'IT' } },
  'customers.import_csv': { file: 'Name,Email,Source_id\nAda,ada@example.com,crm-1\n' },
  'customers.bulk_update': [{ source_id: 'crm-1', name: 'Ada', address: { city: 'Rome' } }],
  'customers.metadata_update': keys,
  'customers.metadata_key_purge': purge,

  'create-product': { source_id: 'shirt', name: 'Shirt', price: 1500, attributes: ['color'] },
  'update-product': { price: 1400 },
  'create-sku': {
    source_id: 'shirt-blue',
    sku: 'Blue shirt',
    price: 1500,
    currency: 'EUR',
    attributes: { color: 'blue' },
  },
  'update-sku': { price: 1400, currency: 'EUR' },
  'products.import_csv': { file: 'name,source_id,price,attributes\nShirt,shirt,15.00,"color,size"\n' },
  'products.bulk_update': [{ source_id: 'shirt', name: 'Shirt', price: 1500 }],
  'products.metadata_update': { source_ids: ['shirt'], metadata: season },
  'products.metadata_key_purge': purge,
  'skus.import_csv': { file: 'product_id,source_id,sku,price\nshirt,shirt-red,Red shirt,15.00\n' },

  'create-order': order,
  'update-order': { status: 'FULFILLED', metadata: season },
  'orders.import': [order],
  'orders.metadata_key_purge': purge,
};
