import { z } from 'zod';
import { readCsv } from '../domain/csv.ts';
import { checkVoucherHeader, readVoucherRow, updatedColumns } from '../domain/voucher-csv.ts';
import { upsertVouchers, type VoucherRecord } from '../domain/vouchers.ts';
import { upload } from '../tasks/input.ts';
import { type Chunk, defineOperation, type Failure } from '../tasks/operation.ts';

type Row = readonly string[];

const input = z.object({
  file: upload(
    'A CSV file, UTF-8, with a header line. Columns: Code, Voucher Type, Value, Discount Type, Category, Start Date, Expiration Date, Redemption Limit, Redeemed Quantity, Redeemed Amount, Active, Additional Info; any other is metadata.',
  ),
  webhooks_enable: z.boolean().default(false).describe('Whether webhooks tell of each code created or updated.'),
});

const parameters = z.object({ header: z.array(z.string()) });

/** VOUCHERS.IMPORT_CSV: creates vouchers, or updates those whose code exists with the columns that the file has. */
export const importVouchersCsv = defineOperation<z.infer<typeof input>, Row>({
  name: 'vouchers.import_csv',
  model: 'ASYNC_ACTION',
  actionType: 'VOUCHERS.IMPORT_CSV',
  result: { family: 'IMPORT', noun: 'voucher', failure: { key: 'code', row: true } },
  chunkSize: 2_000,
  mutation: {
    name: 'importVouchersCsv',
    description:
      'Creates vouchers from a CSV file, or updates those whose code exists. The file is staged while it arrives.',
  },
  input,
  rest: {
    method: 'POST',
    path: '/v1/vouchers/importCSV',
    status: 202,
    body: 'csv',
    toInput: ({ body }) => body,
  },

  async plan(request, { limits }) {
    const { header, rows } = await readCsv(request.file.stream, { maxLineBytes: limits.maxCsvLineBytes });
    checkVoucherHeader(header);
    return { parameters: { header, webhooksEnable: request.webhooks_enable }, items: rows };
  },

  async apply(chunk, context) {
    const { header } = parameters.parse(context.parameters);
    const { records, failures } = readRows(chunk, header);
    const latest = [...records.values()].map((rows) => rows.at(-1)?.record).filter((record) => record !== undefined);
    const written = await upsertVouchers(context.tx, context.projectId, latest, updatedColumns(header));
    for (const [code, rows] of records) {
      if (!written.has(code)) failures.push(...rows.map(({ row }) => refuseChange(row, code)));
    }
    return { failures };
  },
});

/** The valid rows by code: where a code stands twice, the last row is written and all have succeeded. */
function readRows(chunk: Chunk<Row>, header: readonly string[]) {
  const records = new Map<string, { row: number; record: VoucherRecord }[]>();
  const failures: Failure[] = [];
  chunk.items.forEach((cells, index) => {
    const row = chunk.firstRow + index;
    const result = readVoucherRow(header, cells);
    if ('record' in result) {
      const same = records.get(result.record.code);
      if (same === undefined) records.set(result.record.code, [{ row, record: result.record }]);
      else same.push({ row, record: result.record });
    } else failures.push({ row, key: result.key, code: 'INVALID', message: result.reason });
  });
  return { records, failures };
}

function refuseChange(row: number, code: string): Failure {
  return { row, key: code, code: 'CANNOT_CHANGE', message: 'It is not possible to change Voucher discount type' };
}
