import { voucherFields, voucherOrders } from '../../domain/voucher-reads.ts';
import { answers, type Operation, oneOf, type Paths, type Printer, parameter, text } from '../openapi-parts.ts';
import { filtersParameter } from './filters.ts';
import { metadataSchema, metadataSchemaList } from './metadata-schema-shapes.ts';
import { pageParameters } from './paging.ts';
import { voucher, voucherList } from './shapes.ts';

/** The reads of vouchers, and of the metadata schemas of all resources. */
export function voucherPaths(printer: Printer): Paths {
  const one = answers('The voucher.', printer.answer('Voucher', voucher));
  const schema = answers('The schema.', printer.answer('MetadataSchema', metadataSchema));
  return {
    '/v1/vouchers': { get: list(printer) },
    '/v1/vouchers/{code}': {
      get: {
        operationId: 'get-voucher',
        summary: 'One voucher, by its code or id.',
        parameters: [parameter('path', 'code', text, 'Its code or id.')],
        responses: { 200: one },
      },
    },
    '/v1/metadata-schemas': {
      get: {
        operationId: 'list-metadata-schemas',
        summary: 'What metadata must hold, for every resource that a schema is defined for.',
        responses: { 200: answers('The schemas.', printer.answer('MetadataSchemaList', metadataSchemaList)) },
      },
    },
    '/v1/metadata-schemas/{resource}': {
      get: {
        operationId: 'get-metadata-schema',
        summary: 'What metadata of one resource must hold.',
        parameters: [parameter('path', 'resource', text, 'The resource, or the name of an object type.')],
        responses: { 200: schema },
      },
    },
  };
}

function list(printer: Printer): Operation {
  const moment = { ...text, format: 'date-time' };
  return {
    operationId: 'list-vouchers',
    summary: 'Vouchers, the newest first unless told otherwise.',
    parameters: [
      ...pageParameters,
      parameter('query', 'campaign_id', text, 'Only those of the campaign with this id.'),
      parameter('query', 'campaign', text, 'Only those of the campaign with this name.'),
      parameter('query', 'category', text, 'Only those of this category.'),
      parameter('query', 'code', text, 'Only the one with this code.'),
      parameter('query', 'ids', { type: 'array', items: text, maxItems: 100 }, 'Only those with these ids or codes.'),
      parameter('query', 'order', oneOf(voucherOrders, '-created_at'), 'How they are sorted; `-`: downwards.'),
      parameter('query', 'created_at[before]', moment, 'Only those created before it.'),
      parameter('query', 'created_at[after]', moment, 'Only those created after it.'),
      parameter('query', 'updated_at[before]', moment, 'Only those last changed before it.'),
      parameter('query', 'updated_at[after]', moment, 'Only those last changed after it.'),
      filtersParameter(voucherFields),
    ],
    responses: { 200: answers('A page.', printer.answer('VoucherList', voucherList)) },
  };
}
