import { productBody, productChange, skuBody, skuChange } from '../../domain/product-input.ts';
import { recordOrders } from '../../domain/records.ts';
import { answers, type JsonSchema, jsonBody, type Paths, type Printer, parameter } from '../openapi-parts.ts';
import { pageParameters } from './paging.ts';
import { product, productList, sku, skuList } from './product-shapes.ts';

const productId = parameter('path', 'productId', { type: 'string' }, 'Its id or source id.');
const skuId = parameter('path', 'skuId', { type: 'string' }, 'Its id or source id.');
const force = parameter('query', 'force', { type: 'boolean' }, 'Accepted: what is deleted is always gone for good.');

const moment = { type: 'string', format: 'date-time' };
const skuListParameters = [
  parameter('query', 'order', { enum: recordOrders }, 'How they are sorted; `-`: downwards.'),
  parameter('query', 'start_date', moment, 'Only those created at this moment or later.'),
  parameter('query', 'end_date', moment, 'Only those created at this moment or before.'),
];

/** The paths of single products and SKUs, for the OpenAPI document. */
export function productPaths(printer: Printer, error: JsonSchema): Paths {
  const parts = partsOf(printer, error);
  return {
    '/v1/products': {
      get: parts.list('list-products', 'The products, the newest first.', 'ProductList', productList, []),
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
      get: parts.list('list-skus-in-product', 'The SKUs of a product, the newest first.', 'SkuList', skuList, [
        productId,
        ...skuListParameters,
      ]),
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

function partsOf(printer: Printer, error: JsonSchema) {
  const invalid = { 400: answers('The payload or a query parameter is not valid.', error) };
  const refusals = { 401: answers('Unauthorized.', error), 404: answers('No such product or SKU.', error) };
  const told = {
    product: answers('The product.', printer.answer('Product', product)),
    sku: answers('The SKU.', printer.answer('Sku', sku)),
  };
  type Schema = Parameters<Printer['input']>[0];
  const read = (what: keyof typeof told) => (operationId: string, summary: string, parameters: readonly object[]) => ({
    operationId,
    summary,
    parameters,
    responses: { 200: told[what], ...refusals },
  });
  const write =
    (what: keyof typeof told) =>
    (operationId: string, summary: string, body: Schema, parameters: readonly object[]) => ({
      operationId,
      summary,
      parameters,
      requestBody: jsonBody(printer.input(body), 'optional'),
      responses: { 200: told[what], ...invalid, ...refusals },
    });
  return {
    read: read('product'),
    readSku: read('sku'),
    write: write('product'),
    writeSku: write('sku'),
    remove: (operationId: string, summary: string, parameters: readonly object[]) => ({
      operationId,
      summary,
      parameters,
      responses: { 204: { description: 'Deleted.' }, ...refusals },
    }),
    list: (operationId: string, summary: string, name: string, schema: Schema, parameters: readonly object[]) => ({
      operationId,
      summary,
      parameters: [...parameters, ...pageParameters],
      responses: { 200: answers('A page.', printer.answer(name, schema)), ...invalid, ...refusals },
    }),
  };
}
