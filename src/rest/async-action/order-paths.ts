import { orderInput } from '../../domain/order-input.ts';
import { answers, jsonBody, type Paths, type Printer, parameter, text } from '../openapi-parts.ts';
import { order, orderList } from './order-shapes.ts';
import { pageParameters } from './paging.ts';
import { error } from './shapes.ts';

/** The paths of single orders, for the OpenAPI document. */
export function orderPaths(printer: Printer): Paths {
  const found = { 200: answers('The order.', printer.answer('Order', order)) };
  const body = jsonBody(printer.input(orderInput), 'optional');
  const inPath = [parameter('path', 'orderId', text, 'Its id or source id.')];
  const unknown = { 404: answers('No such order, or no such customer.', printer.answer('Error', error)) };
  return {
    '/v1/orders': {
      get: {
        operationId: 'list-orders',
        summary: 'The orders, the newest first.',
        parameters: pageParameters,
        responses: { 200: answers('A page.', printer.answer('OrderList', orderList)) },
      },
      post: {
        operationId: 'create-order',
        summary: 'Creates an order, or updates the one of its id or source id; its customer and referrer likewise.',
        requestBody: body,
        responses: { ...found, ...unknown },
      },
    },
    '/v1/orders/{orderId}': {
      get: {
        operationId: 'get-order',
        summary: 'One order.',
        parameters: inPath,
        responses: found,
      },
      put: {
        operationId: 'update-order',
        summary: 'Updates an order. Fields left out stay, metadata is merged.',
        parameters: inPath,
        requestBody: body,
        responses: { ...found, ...unknown },
      },
    },
  };
}
