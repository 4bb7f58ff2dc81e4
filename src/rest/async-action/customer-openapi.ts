import { customerBody, customerUpdateBody } from '../../domain/customer-input.ts';
import { customerFields } from '../../domain/customers.ts';
import { answers, jsonBody, type Paths, type Printer, parameter, text } from '../openapi-parts.ts';
import { customer, customerList } from './customer-shapes.ts';
import { filtersParameter } from './filters.ts';
import { pageParameters } from './paging.ts';
import { error } from './shapes.ts';

/** The reads and writes of single customers, and their list. */
export function customerPaths(printer: Printer): Paths {
  const one = { 200: answers('The customer.', printer.answer('Customer', customer)) };
  const inPath = [parameter('path', 'customerId', text, 'Its id or source id.')];
  return {
    '/v1/customers': {
      get: {
        operationId: 'list-customers',
        summary: 'The newest customers.',
        parameters: [...pageParameters, filtersParameter(customerFields)],
        responses: { 200: answers('A page.', printer.answer('CustomerList', customerList)) },
      },
      post: {
        operationId: 'create-customer',
        summary: 'Creates a customer, or writes the given fields of the one that has this id or source id.',
        requestBody: jsonBody(printer.input(customerBody), 'required'),
        responses: { ...one, 404: answers('No customer has this id.', printer.answer('Error', error)) },
      },
    },
    '/v1/customers/{customerId}': {
      delete: {
        operationId: 'delete-customer',
        summary: 'Deletes a customer; its orders stay.',
        parameters: inPath,
        responses: { 204: { description: 'It is gone.' } },
      },
      get: {
        operationId: 'get-customer',
        summary: 'One customer.',
        parameters: inPath,
        responses: one,
      },
      put: {
        operationId: 'update-customer',
        summary: 'Writes the given fields of a customer; metadata is merged key by key.',
        parameters: inPath,
        requestBody: jsonBody(printer.input(customerUpdateBody), 'required'),
        responses: one,
      },
    },
  };
}
