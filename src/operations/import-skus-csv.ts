import { z } from 'zod';
import { readCsv } from '../domain/csv.ts';
import { namedByCells } from '../domain/csv-cells.ts';
import { readMetadataSchema } from '../domain/metadata-schemas.ts';
import { skuRecords } from '../domain/record-kinds.ts';
import { importSkus, type NumberedSku } from '../domain/sku-changes.ts';
import { checkSkuHeader, readSkuRow, updatedSkuColumns } from '../domain/sku-csv.ts';
import { upload } from '../tasks/input.ts';
import { defineOperation, type Failure } from '../tasks/operation.ts';

type Row = readonly string[];

const input = z.object({
  file: upload(
    "A CSV file, UTF-8, with a header line. Columns: product_id (id or source id of the product), source_id, sku, price (major units), image_url, attributes (such as {'color':'blue','ranking':1}); any other is metadata.",
  ),
});

const parameters = z.object({ header: z.array(z.string()) });

/** SKUS.IMPORT_CSV: makes SKUs of products that exist; of those whose source id exists only sku and price change. */
export const importSkusCsv = defineOperation<z.infer<typeof input>, Row>({
  name: 'skus.import_csv',
  model: 'ASYNC_ACTION',
  actionType: 'SKUS.IMPORT_CSV',
  result: { family: 'IMPORT', noun: 'sku', failure: { key: null, row: true } },
  chunkSize: 2_000,
  mutation: {
    name: 'importSkusCsv',
    description:
      'Makes SKUs from a CSV file; where the source id exists in the same product, only sku and price change. The products must exist. The file is staged while it arrives.',
  },
  input,
  rest: { method: 'POST', path: '/v1/skus/importCSV', status: 200, body: 'csv', toInput: ({ body }) => body },

  records: { kind: skuRecords, names: namedByCells('source_id') },

  async plan(request, { limits }) {
    const { header, rows } = await readCsv(request.file.stream, { maxLineBytes: limits.maxCsvLineBytes });
    checkSkuHeader(header);
    return { parameters: { header }, items: rows };
  },

  async apply(chunk, { tx, projectId, parameters: planned }) {
    const { header } = parameters.parse(planned);
    const schema = await readMetadataSchema(tx, projectId, 'sku');
    const rows: NumberedSku[] = [];
    const failures: Failure[] = [];
    chunk.items.forEach((cells, index) => {
      const row = chunk.firstRow + index;
      const result = readSkuRow(header, cells, schema);
      if ('record' in result) rows.push({ row, ...result.record });
      else failures.push({ row, key: result.key || null, code: 'INVALID', message: result.reason });
    });
    const updated = updatedSkuColumns(header);
    return { failures: [...failures, ...(await importSkus(tx, projectId, rows, { check: schema.check, updated }))] };
  },
});
