import { productBody, productChange, skuBody, skuChange } from '../../domain/product-input.ts';
import { recordOrders } from '../../domain/records.ts';
import {
  answers,
  jsonBody,
  type Operation,
  oneOf,
  type Parameter,
  type Paths,
  type Printer,
  parameter,
  text,
} from '../openapi-parts.ts';
import { pageParameters } from './paging.ts';
import { product, productList, sku, skuList } from './product-shapes.ts';

const productId = parameter('path', 'productId', text, 'Its id or source id.');
const skuId = parameter('path', 'skuId', text, 'Its id or source id.');
const force = parameter('query', 'force', { type: 'boolean' }, 'Accepted: what is deleted is always gone for good.');

const moment = { ...text, format: 'date-time' };
const skuListParameters = [
  parameter('query', 'order', oneOf(recordOrders), 'How they are sorted; `-`: downwards.'),
  parameter('query', 'start_date', moment, 'Only those created at this moment or later.'),
  parameter('query', 'end_date', moment, 'Only those created at this moment or before.'),
];

/** The paths of single products and SKUs, for the OpenAPI document. */
export function productPaths(printer: Printer): Paths {
  const parts = partsOf(printer);
  return {
    '/v1/products': {
      get: parts.list('list-products', 'The products, the newest first.', ['ProductList', productList], []),
      post: parts.write(
        'create-product',
        'Makes a product, or changes the one of its id or source id.',
        productBody,
        [],
      ),
    },
    '/v1/products/{productId}': {
      get: parts.read('get-product', 'One product.', [productId]),
      put: parts.write('update-product', 'Changes a product. Fields left out stay.', productChange, [productId]),
      delete: parts.remove('delete-product', 'Deletes a product and its SKUs.', [productId, force]),
    },
    '/v1/products/{productId}/skus': {
      get: parts.list(
        'list-skus-in-product',
        'The SKUs of a product, the newest first.',
        ['SkuList', skuList],
        [productId, ...skuListParameters],
      ),
      post: parts.writeSku('create-sku', 'Makes a SKU, or changes the one of its id or source id.', skuBody, [
        productId,
      ]),
    },
    '/v1/products/{productId}/skus/{skuId}': {
      put: parts.writeSku('update-sku', 'Changes a SKU. Fields left out stay.', skuChange, [productId, skuId]),
      delete: parts.remove('delete-sku', 'Deletes a SKU.', [productId, skuId, force]),
    },
    '/v1/skus/{skuId}': { get: parts.readSku('get-sku', 'One SKU.', [skuId]) },
  };
}

function partsOf(printer: Printer) {
  const told = {
    sku: { 200: answers('The SKU.', printer.answer('Sku', sku)) },
    product: { 200: answers('The product.', printer.answer('Product', product)) },
  };
  type Schema = Parameters<Printer['input']>[0];
  const read =
    (what: keyof typeof told) =>
    (operationId: string, summary: string, parameters: readonly Parameter[]): Operation => ({
      operationId,
      summary,
      parameters,
      responses: told[what],
    });
  const write =
    (what: keyof typeof told) =>
    (operationId: string, summary: string, body: Schema, parameters: readonly Parameter[]): Operation => ({
      operationId,
      summary,
      parameters,
      requestBody: jsonBody(printer.input(body), 'optional'),
      responses: told[what],
    });
  return {
    read: read('product'),
    readSku: read('sku'),
    write: write('product'),
    writeSku: write('sku'),
    remove: (operationId: string, summary: string, parameters: readonly Parameter[]): Operation => ({
      operationId,
      summary,
      parameters,
      responses: { 204: { description: 'Deleted.' } },
    }),
    list: (
      operationId: string,
      summary: string,
      page: readonly [name: string, schema: Schema],
      parameters: readonly Parameter[],
    ): Operation => ({
      operationId,
      summary,
      parameters: [...parameters, ...pageParameters],
      responses: { 200: answers('A page.', printer.answer(...page)) },
    }),
  };
}
