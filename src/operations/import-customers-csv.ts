import { z } from 'zod';
import { readCsv } from '../domain/csv.ts';
import { namedByCells } from '../domain/csv-cells.ts';
import { checkCustomerHeader, readCustomerRow } from '../domain/customer-csv.ts';
import { type CustomerEntry, writeCustomerEntries } from '../domain/customer-entries.ts';
import { readMetadataSchema } from '../domain/metadata-schemas.ts';
import { customerRecords } from '../domain/record-kinds.ts';
import { upload } from '../tasks/input.ts';
import { defineOperation } from '../tasks/operation.ts';

type Row = readonly string[];

const input = z.object({
  file: upload(
    'A CSV file, UTF-8, with a header line. Columns: Source_id, Id, Name, Email, Phone, Birthdate, Description, Address_line_1, Address_line_2, Address_Postal_Code, Address_City, Address_State, Address_Country (the last four also without Address_); any other is metadata.',
  ),
});

const parameters = z.object({ header: z.array(z.string()) });

/** CUSTOMERS.IMPORT_CSV: creates customers, and overwrites those that exist as a whole, metadata too. A row without Id and
 *  Source_id makes a new customer (undecided in the contract). */
export const importCustomersCsv = defineOperation<z.infer<typeof input>, Row>({
  name: 'customers.import_csv',
  model: 'ASYNC_ACTION',
  actionType: 'CUSTOMERS.IMPORT_CSV',
  result: { family: 'IMPORT', noun: 'customer', failure: { key: 'source_id', row: true } },
  chunkSize: 2_000,
  mutation: {
    name: 'importCustomersCsv',
    description:
      'Creates customers from a CSV file, and overwrites as a whole those that exist. The file is staged while it arrives.',
  },
  input,
  rest: { method: 'POST', path: '/v1/customers/importCSV', status: 202, body: 'csv', toInput: ({ body }) => body },

  records: { kind: customerRecords, names: namedByCells('Id', 'Source_id') },

  async plan(request, { limits }) {
    const { header, rows } = await readCsv(request.file.stream, { maxLineBytes: limits.maxCsvLineBytes });
    checkCustomerHeader(header);
    return { parameters: { header }, items: rows };
  },

  async apply(chunk, { tx, projectId, ...context }) {
    const { header } = parameters.parse(context.parameters);
    const { check, fromCell } = await readMetadataSchema(tx, projectId, 'customer');
    const entries = chunk.items.map((cells, index): CustomerEntry => {
      const row = chunk.firstRow + index;
      const read = readCustomerRow(header, cells, fromCell);
      if ('record' in read) return { row, key: read.record.sourceId, change: read.record };
      return { row, key: read.key, refusal: { code: 'INVALID', message: read.reason } };
    });
    const { failures } = await writeCustomerEntries(tx, projectId, entries, { mode: 'OVERWRITE', check });
    return { failures };
  },
});
