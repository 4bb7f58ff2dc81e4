import { z } from 'zod';
import { readCsv } from '../domain/csv.ts';
import { namedByCells } from '../domain/csv-cells.ts';
import { type MetadataSchema, readMetadataSchema } from '../domain/metadata-schemas.ts';
import { voucherRecords } from '../domain/record-kinds.ts';
import { checkVoucherHeader, hasMetadata, readVoucherRow, updatedColumns } from '../domain/voucher-csv.ts';
import { findTakenCodes, upsertVouchers, type VoucherRecord } from '../domain/vouchers.ts';
import { upload } from '../tasks/input.ts';
import { type ApplyContext, type Chunk, defineOperation, type Failure } from '../tasks/operation.ts';

type Row = readonly string[];
type RowsByCode = Map<string, { readonly row: number; readonly record: VoucherRecord }[]>;

const input = z.object({
  file: upload(
    'A CSV file, UTF-8, with a header line. Columns: Code, Voucher Type, Value, Discount Type, Category, Start Date, Expiration Date, Redemption Limit, Redeemed Quantity, Redeemed Amount, Active, Additional Info; any other is metadata.',
  ),
  webhooks_enable: z
    .boolean()
    .default(false)
    .describe('Whether webhooks tell of this import: of the task, never of its codes.'),
});

const parameters = z.object({ header: z.array(z.string()) });

/** VOUCHERS.IMPORT_CSV: creates vouchers, or updates those whose code exists with the columns that the file has. */
export const importVouchersCsv = defineOperation<z.infer<typeof input>, Row>({
  name: 'vouchers.import_csv',
  model: 'ASYNC_ACTION',
  actionType: 'VOUCHERS.IMPORT_CSV',
  result: { family: 'IMPORT', noun: 'voucher', failure: { key: 'code', row: true } },
  chunkSize: 10_000,
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

  records: { kind: voucherRecords, names: namedByCells('Code') },

  async plan(request, { limits }) {
    const { header, rows } = await readCsv(request.file.stream, { maxLineBytes: limits.maxCsvLineBytes });
    checkVoucherHeader(header);
    return { parameters: { header, webhooksEnable: request.webhooks_enable }, items: rows };
  },

  async apply(chunk, context) {
    const { header } = parameters.parse(context.parameters);
    const schema = await readMetadataSchema(context.tx, context.projectId, 'voucher');
    const { rows, failures } = readRows(chunk, header, schema);
    failures.push(...(await refuseWithoutMetadata(rows, header, schema, context)));
    const latest = [...rows.values()].flatMap((same) => same.at(-1)?.record ?? []);
    const unwritten = await upsertVouchers(context.tx, context.projectId, latest, updatedColumns(header));
    failures.push(...(await refuseUnwritten(rows, unwritten, context)));
    return { failures };
  },
});

/** The valid rows by code: where a code stands twice, the last row is written and all have succeeded. */
function readRows(chunk: Chunk<Row>, header: readonly string[], schema: MetadataSchema) {
  const rows: RowsByCode = new Map();
  const failures: Failure[] = [];
  chunk.items.forEach((cells, index) => {
    const row = chunk.firstRow + index;
    const result = readVoucherRow(header, cells, schema);
    if ('record' in result) {
      const same = rows.get(result.record.code);
      if (same === undefined) rows.set(result.record.code, [{ row, record: result.record }]);
      else same.push({ row, record: result.record });
    } else failures.push({ row, key: result.key, code: 'INVALID', message: result.reason });
  });
  return { rows, failures };
}

/** A file without metadata cannot create vouchers whose metadata is required; these rows are taken out. */
async function refuseWithoutMetadata(
  rows: RowsByCode,
  header: readonly string[],
  { check }: MetadataSchema,
  { tx, projectId }: ApplyContext,
): Promise<Failure[]> {
  const missing = hasMetadata(header) ? undefined : check(undefined, { isNew: true });
  if (missing === undefined) return [];
  const taken = await findTakenCodes(tx, projectId, [...rows.keys()]);
  const created = [...rows].filter(([code]) => !taken.has(code));
  for (const [code] of created) rows.delete(code);
  return created.flatMap(([code, same]) => refuse(code, same, 'METADATA_VALIDATION_FAILED', missing));
}

async function refuseUnwritten(
  rows: RowsByCode,
  unwritten: ReadonlySet<string>,
  { tx, projectId }: ApplyContext,
): Promise<Failure[]> {
  if (unwritten.size === 0) return [];
  const taken = await findTakenCodes(tx, projectId, [...unwritten]);
  const refused = [...rows].filter(([code]) => unwritten.has(code));
  return refused.flatMap(([code, same]) =>
    taken.get(code)?.isDeleted
      ? refuse(code, same, 'DUPLICATE', `Voucher ${code} is deleted, and its code stays taken`)
      : refuse(code, same, 'CANNOT_CHANGE', 'It is not possible to change Voucher discount type'),
  );
}

function refuse(key: string, rows: readonly { readonly row: number }[], code: string, message: string): Failure[] {
  return rows.map(({ row }) => ({ row, key, code, message }));
}
