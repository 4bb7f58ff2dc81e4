import { voucherFields, voucherOrders } from '../../domain/voucher-reads.ts';
import { answers, type JsonSchema, type Paths, type Printer, parameter } from '../openapi-parts.ts';
import { filtersParameter } from './filters.ts';
import { metadataSchema, metadataSchemaList } from './metadata-schema-shapes.ts';
import { voucher, voucherList } from './shapes.ts';

/** The reads of vouchers, and of the metadata schemas of all resources. */
export function voucherPaths(printer: Printer, error: JsonSchema): Paths {
  const one = (summary: string, operationId: string, name: string, schema: JsonSchema) => ({
    operationId,
    summary,
    parameters: [parameter('path', name, { type: 'string' }, 'Which one.')],
    responses: {
      200: answers(summary, schema),
      401: answers('Unauthorized.', error),
      404: answers('There is none.', error),
    },
  });
  return {
    '/v1/vouchers': { get: list(printer, error) },
    '/v1/vouchers/{code}': {
      get: one('One voucher, by its code or id.', 'get-voucher', 'code', printer.answer('Voucher', voucher)),
    },
    '/v1/metadata-schemas': {
      get: {
        operationId: 'list-metadata-schemas',
        summary: 'What metadata must hold, for every resource that a schema is defined for.',
        responses: {
          200: answers('The schemas.', printer.answer('MetadataSchemaList', metadataSchemaList)),
          401: answers('Unauthorized.', error),
        },
      },
    },
    '/v1/metadata-schemas/{resource}': {
      get: one(
        'What metadata of one resource must hold.',
        'get-metadata-schema',
        'resource',
        printer.answer('MetadataSchema', metadataSchema),
      ),
    },
  };
}

function list(printer: Printer, error: JsonSchema): object {
  const text = { type: 'string' };
  const moment = { type: 'string', format: 'date-time' };
  return {
    operationId: 'list-vouchers',
    summary: 'Vouchers, the newest first unless told otherwise.',
    parameters: [
      parameter('query', 'limit', { type: 'integer', minimum: 1, maximum: 100, default: 10 }, 'Page size.'),
      parameter('query', 'page', { type: 'integer', minimum: 1, default: 1 }, 'Which page.'),
      parameter('query', 'campaign_id', text, 'Only those of the campaign with this id.'),
      parameter('query', 'campaign', text, 'Only those of the campaign with this name.'),
      parameter('query', 'category', text, 'Only those of this category.'),
      parameter('query', 'code', text, 'Only the one with this code.'),
      parameter('query', 'ids', { type: 'array', items: text, maxItems: 100 }, 'Only those with these ids or codes.'),
      parameter(
        'query',
        'order',
        { enum: voucherOrders, default: '-created_at' },
        'How they are sorted; `-`: downwards.',
      ),
      parameter('query', 'created_at[before]', moment, 'Only those created before it.'),
      parameter('query', 'created_at[after]', moment, 'Only those created after it.'),
      parameter('query', 'updated_at[before]', moment, 'Only those last changed before it.'),
      parameter('query', 'updated_at[after]', moment, 'Only those last changed after it.'),
      filtersParameter(voucherFields),
    ],
    responses: {
      200: answers('A page.', printer.answer('VoucherList', voucherList)),
      400: answers('A query parameter is not valid.', error),
      401: answers('Unauthorized.', error),
    },
  };
}
