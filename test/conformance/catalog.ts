import { expect } from 'vitest';
import { readBack, runAction } from '../support/actions.ts';
import type { TestApp } from '../support/gateway.ts';
import type { Scenario } from './walk.ts';

const count = 2000;
const numbers = Array.from({ length: count }, (_, index) => index);
const isBad = (index: number) => index % 100 === 7;
const failed = numbers.filter(isBad).length;
const done = count - failed;

const sourceIds = (prefix: string) =>
  numbers.map((index) => (isBad(index) ? `${prefix}-${index}${'x'.repeat(300)}` : `${prefix}-${index}`));

/** A purge of the key `prefix`, which all of these records get by `path`. */
function purge(things: 'customers' | 'products' | 'orders', mutation: string, path: string): Scenario {
  return async (app, prefix) => {
    const records = numbers.map((index) => ({
      source_id: `${prefix}-${index}`,
      metadata: { [prefix]: index, kept: true },
    }));
    const { result } = await runAction(app, path, records);
    expect(result.done_count).toBe(count);
    return {
      mutation,
      input: { key: prefix },
      rest: { path: `/v1/${things}/metadata/purge/async`, status: 202, body: { key: prefix } },
      done: count,
      failed: 0,
      async effect() {
        expect((await readBack(app, `/v1/${things}/${prefix}-8`)).metadata).toEqual({ kept: true });
      },
    };
  };
}

/** The same metadata for records of which every third exists; those of a source id that cannot be are refused. */
function metadataUpdate(things: 'customers' | 'products', mutation: string): Scenario {
  return async (app, prefix) => {
    const existing = numbers.filter((index) => index % 3 === 0 && !isBad(index));
    const records = existing.map((index) => ({ source_id: `${prefix}-${index}`, metadata: { kept: true } }));
    await runAction(app, `/v1/${things}/bulk/async`, records);
    const body = { source_ids: sourceIds(prefix), metadata: { season: 'winter' } };
    return {
      mutation,
      input: body,
      rest: { path: `/v1/${things}/metadata/async`, status: 202, body },
      done,
      failed,
      async effect() {
        const read = async (index: number) => (await readBack(app, `/v1/${things}/${prefix}-${index}`)).metadata;
        expect([await read(9), await read(8)]).toEqual([{ kept: true, season: 'winter' }, { season: 'winter' }]);
      },
    };
  };
}

async function createProduct(app: TestApp, sourceId: string): Promise<void> {
  await runAction(app, '/v1/products/bulk/async', [{ source_id: sourceId, name: sourceId, attributes: ['color'] }]);
}

/** The types of customers, products, SKUs and orders. */
export const catalogScenarios: Readonly<Record<string, Scenario>> = {
  'CUSTOMERS.IMPORT_CSV': async (app, prefix) => ({
    mutation: 'importCustomersCsv',
    input: {},
    csv: [
      'Name,Email,Source_id,Birthdate,City,tier',
      ...numbers.map(
        (index) =>
          `N ${index},${index}@example.com,${prefix}-${index},${isBad(index) ? 'never' : '2000-12-31'},Rome,gold`,
      ),
    ].join('\n'),
    rest: { path: '/v1/customers/importCSV', status: 202 },
    done,
    failed,
    async effect() {
      expect(await readBack(app, `/v1/customers/${prefix}-8`)).toMatchObject({
        name: 'N 8',
        birthdate: '2000-12-31',
        address: { city: 'Rome' },
        metadata: { tier: 'gold' },
      });
    },
  }),

  'CUSTOMERS.BULK_UPDATE': async (app, prefix) => {
    const customers = numbers.map((index) => ({
      source_id: `${prefix}-${index}`,
      name: `N ${index}`,
      birthdate: isBad(index) ? 'never' : '2000-12-31',
      address: { city: null, country: 'IT' },
    }));
    await runAction(
      app,
      '/v1/customers/bulk/async',
      customers.slice(0, 500).map(({ source_id }) => ({ source_id, phone: '+39' })),
    );
    return {
      mutation: 'bulkUpdateCustomers',
      input: { customers },
      rest: { path: '/v1/customers/bulk/async', status: 202, body: customers },
      done,
      failed,
      async effect() {
        const read = (index: number) => readBack(app, `/v1/customers/${prefix}-${index}`);
        expect(await read(8)).toMatchObject({ name: 'N 8', phone: '+39', address: { city: null, country: 'IT' } });
        expect(await read(1508)).toMatchObject({ name: 'N 1508' });
      },
    };
  },

  'CUSTOMERS.METADATA_UPDATE': metadataUpdate('customers', 'updateCustomersMetadata'),
  'CUSTOMERS.METADATA_KEY_PURGE': purge('customers', 'purgeCustomersMetadataKey', '/v1/customers/bulk/async'),

  'PRODUCTS.IMPORT_CSV': async (app, prefix) => ({
    mutation: 'importProductsCsv',
    input: {},
    csv: [
      'name,source_id,price,attributes,vendor',
      ...numbers.map((index) => `${isBad(index) ? '' : `P ${index}`},${prefix}-${index},14.5,"color,size",mall`),
    ].join('\n'),
    rest: { path: '/v1/products/importCSV', status: 200 },
    done,
    failed,
    async effect() {
      expect(await readBack(app, `/v1/products/${prefix}-8`)).toMatchObject({
        name: 'P 8',
        price: 1450,
        attributes: ['color', 'size'],
        metadata: { vendor: 'mall' },
      });
    },
  }),

  'PRODUCTS.BULK_UPDATE': async (app, prefix) => {
    const products = sourceIds(prefix).map((source_id, index) => ({ source_id, name: `P ${index}`, price: index }));
    return {
      mutation: 'bulkUpdateProducts',
      input: { products },
      rest: { path: '/v1/products/bulk/async', status: 202, body: products },
      done,
      failed,
      async effect() {
        expect(await readBack(app, `/v1/products/${prefix}-8`)).toMatchObject({ name: 'P 8', price: 8 });
      },
    };
  },

  'PRODUCTS.METADATA_UPDATE': metadataUpdate('products', 'updateProductsMetadata'),
  'PRODUCTS.METADATA_KEY_PURGE': purge('products', 'purgeProductsMetadataKey', '/v1/products/bulk/async'),

  'SKUS.IMPORT_CSV': async (app, prefix) => {
    await createProduct(app, prefix);
    return {
      mutation: 'importSkusCsv',
      input: {},
      csv: [
        'product_id,source_id,sku,price,attributes',
        ...numbers.map(
          (index) => `${isBad(index) ? 'nothing' : prefix},${prefix}-${index},S ${index},17,"{'color':'blue'}"`,
        ),
      ].join('\n'),
      rest: { path: '/v1/skus/importCSV', status: 200 },
      done,
      failed,
      async effect() {
        expect(await readBack(app, `/v1/skus/${prefix}-8`)).toMatchObject({
          sku: 'S 8',
          price: 1700,
          attributes: { color: 'blue' },
        });
      },
    };
  },

  'ORDERS.IMPORT': async (app, prefix) => {
    const orders = numbers.map((index) => ({
      source_id: `${prefix}-${index}`,
      status: 'PAID',
      items: [{ price: index, quantity: 2 }],
      customer: isBad(index) ? { id: 'cust_nobody' } : { source_id: `${prefix}-${index % 300}`, name: `N ${index}` },
    }));
    return {
      mutation: 'importOrders',
      input: { orders },
      rest: { path: '/v1/orders/import', status: 200, body: orders },
      done,
      failed,
      async effect() {
        const order = await readBack(app, `/v1/orders/${prefix}-8`);
        expect(order).toMatchObject({ status: 'PAID', amount: 16 });
        expect(await readBack(app, `/v1/customers/${order.customer_id}`)).toMatchObject({
          source_id: `${prefix}-8`,
          name: 'N 1808',
        });
      },
    };
  },

  'ORDERS.METADATA_KEY_PURGE': purge('orders', 'purgeOrdersMetadataKey', '/v1/orders/import'),
};
