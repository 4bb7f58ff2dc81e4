import { orderInput } from '../../domain/order-input.ts';
import { answers, type JsonSchema, jsonBody, type Paths, type Printer, parameter } from '../openapi-parts.ts';
import { order, orderList } from './order-shapes.ts';
import { pageParameters } from './paging.ts';

/** The paths of single orders, for the OpenAPI document. */
export function orderPaths(printer: Printer, error: JsonSchema): Paths {
  const found = answers('The order.', printer.answer('Order', order));
  const body = jsonBody(printer.input(orderInput), 'optional');
  const inPath = [parameter('path', 'orderId', { type: 'string' }, 'Its id or source id.')];
  const refusals = {
    400: answers('The payload is not valid.', error),
    401: answers('Unauthorized.', error),
    404: answers('No such order, or no such customer.', error),
  };
  return {
    '/v1/orders': {
      get: {
        operationId: 'list-orders',
        summary: 'The orders, the newest first.',
        parameters: pageParameters,
        responses: {
          200: answers('A page.', printer.answer('OrderList', orderList)),
          400: answers('A query parameter is not valid.', error),
          401: answers('Unauthorized.', error),
        },
      },
      post: {
        operationId: 'create-order',
        summary: 'Creates an order, or updates the one of its id or source id; its customer and referrer likewise.',
        requestBody: body,
        responses: { 200: found, ...refusals },
      },
    },
    '/v1/orders/{orderId}': {
      get: {
        operationId: 'get-order',
        summary: 'One order.',
        parameters: inPath,
        responses: { 200: found, 401: refusals[401], 404: refusals[404] },
      },
      put: {
        operationId: 'update-order',
        summary: 'Updates an order. Fields left out stay, metadata is merged.',
        parameters: inPath,
        requestBody: body,
        responses: { 200: found, ...refusals },
      },
    },
  };
}
