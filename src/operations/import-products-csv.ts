import { z } from 'zod';
import { readCsv } from '../domain/csv.ts';
import { namedByCells } from '../domain/csv-cells.ts';
import { readMetadataSchema } from '../domain/metadata-schemas.ts';
import { changeProducts, type ProductChange } from '../domain/product-changes.ts';
import { checkProductHeader, readProductRow } from '../domain/product-csv.ts';
import { productRecords } from '../domain/record-kinds.ts';
import { upload } from '../tasks/input.ts';
import { defineOperation, type Failure } from '../tasks/operation.ts';

type Row = readonly string[];

const input = z.object({
  file: upload(
    'A CSV file, UTF-8, with a header line. Columns: name, source_id, price (major units), attributes (names with commas between them, in quotes), image_url; any other is metadata.',
  ),
});

const parameters = z.object({ header: z.array(z.string()) });

/** PRODUCTS.IMPORT_CSV: makes products; of those whose source id exists only the name and the file's metadata change. */
export const importProductsCsv = defineOperation<z.infer<typeof input>, Row>({
  name: 'products.import_csv',
  model: 'ASYNC_ACTION',
  actionType: 'PRODUCTS.IMPORT_CSV',
  result: { family: 'IMPORT', noun: 'product', failure: { key: 'source_id', missing: 'LEFT_OUT', row: true } },
  chunkSize: 2_000,
  mutation: {
    name: 'importProductsCsv',
    description:
      'Makes products from a CSV file; where the source id exists, only name and metadata change. The file is staged while it arrives.',
  },
  input,
  rest: { method: 'POST', path: '/v1/products/importCSV', status: 200, body: 'csv', toInput: ({ body }) => body },

  records: { kind: productRecords, names: namedByCells('source_id') },

  async plan(request, { limits }) {
    const { header, rows } = await readCsv(request.file.stream, { maxLineBytes: limits.maxCsvLineBytes });
    checkProductHeader(header);
    return { parameters: { header }, items: rows };
  },

  async apply(chunk, { tx, projectId, parameters: planned }) {
    const { header } = parameters.parse(planned);
    const schema = await readMetadataSchema(tx, projectId, 'product');
    const changes: ProductChange[] = [];
    const failures: Failure[] = [];
    chunk.items.forEach((cells, index) => {
      const row = chunk.firstRow + index;
      const result = readProductRow(header, cells, schema);
      if ('record' in result) changes.push({ row, ...result.record });
      else failures.push({ row, key: result.key || null, code: 'INVALID', message: result.reason });
    });
    const done = await changeProducts(tx, projectId, changes, ['name', 'metadata']);
    return { failures: [...failures, ...done.failures] };
  },
});
