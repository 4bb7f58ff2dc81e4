import { customerBody, customerUpdateBody } from '../../domain/customer-input.ts';
import { customerFields } from '../../domain/customers.ts';
import { answers, type JsonSchema, jsonBody, type Paths, type Printer, parameter } from '../openapi-parts.ts';
import { customer, customerList } from './customer-shapes.ts';
import { filtersParameter } from './filters.ts';
import { pageParameters } from './paging.ts';

/** The reads and writes of single customers, and their list. */
export function customerPaths(printer: Printer, error: JsonSchema): Paths {
  const one = answers('The customer.', printer.answer('Customer', customer));
  const inPath = [parameter('path', 'customerId', { type: 'string' }, 'Its id or source id.')];
  const unauthorized = answers('Unauthorized.', error);
  const unknown = answers('No such customer.', error);
  const invalid = answers('The payload is not valid.', error);
  return {
    '/v1/customers': {
      get: {
        operationId: 'list-customers',
        summary: 'The newest customers.',
        parameters: [...pageParameters, filtersParameter(customerFields)],
        responses: {
          200: answers('A page.', printer.answer('CustomerList', customerList)),
          400: answers('A query parameter is not valid.', error),
          401: unauthorized,
        },
      },
      post: {
        operationId: 'create-customer',
        summary: 'Creates a customer, or writes the given fields of the one that has this id or source id.',
        requestBody: jsonBody(printer.input(customerBody), 'required'),
        responses: { 200: one, 400: invalid, 401: unauthorized, 404: answers('No customer has this id.', error) },
      },
    },
    '/v1/customers/{customerId}': {
      delete: {
        operationId: 'delete-customer',
        summary: 'Deletes a customer; its orders stay.',
        parameters: inPath,
        responses: { 204: { description: 'It is gone.' }, 401: unauthorized, 404: unknown },
      },
      get: {
        operationId: 'get-customer',
        summary: 'One customer.',
        parameters: inPath,
        responses: { 200: one, 401: unauthorized, 404: unknown },
      },
      put: {
        operationId: 'update-customer',
        summary: 'Writes the given fields of a customer; metadata is merged key by key.',
        parameters: inPath,
        requestBody: jsonBody(printer.input(customerUpdateBody), 'required'),
        responses: { 200: one, 400: invalid, 401: unauthorized, 404: unknown },
      },
    },
  };
}
