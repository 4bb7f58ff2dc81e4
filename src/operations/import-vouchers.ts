import { z } from 'zod';
import { type MetadataCheck, readMetadataCheck } from '../domain/metadata-schemas.ts';
import { failureOf } from '../domain/reasons.ts';
import { voucherRecords } from '../domain/record-kinds.ts';
import { toVoucherRecord, voucherInput } from '../domain/voucher-input.ts';
import { insertVouchers, type VoucherRecord } from '../domain/vouchers.ts';
import { itemList } from '../tasks/input.ts';
import { type Chunk, defineOperation, type Failure } from '../tasks/operation.ts';

type Item = Record<string, unknown>;

const input = z.object({
  vouchers: itemList(voucherInput, 'The vouchers; a bad one is refused, the rest go through.'),
});

const compiledInput = z.compile(voucherInput);

/** VOUCHERS.IMPORT: creates vouchers; a code that exists is refused (undecided in the contract, section 9: a failed item). */
export const importVouchers = defineOperation<z.infer<typeof input>, Item>({
  name: 'vouchers.import',
  model: 'ASYNC_ACTION',
  actionType: 'VOUCHERS.IMPORT',
  result: { family: 'IMPORT', noun: 'voucher', failure: { key: 'code', row: false } },
  chunkSize: 10_000,
  mutation: { name: 'importVouchers', description: 'Creates vouchers. A code that exists already is refused.' },
  input,
  rest: {
    method: 'POST',
    path: '/v1/vouchers/import',
    status: 202,
    body: 'json',
    toInput: ({ body }) => ({ vouchers: body }),
  },

  records: { kind: voucherRecords, names: () => ({ of: (item) => [keyOf(item)] }) },

  async plan(request) {
    return { parameters: {}, items: request.vouchers };
  },

  async apply(chunk, { tx, projectId }) {
    const { records, rowOf, failures } = readVouchers(chunk, await readMetadataCheck(tx, projectId, 'voucher'));
    const taken = await insertVouchers(tx, projectId, records);
    for (const [code, row] of rowOf) if (taken.has(code)) failures.push(duplicate(row, code));
    return { failures };
  },
});

function readVouchers(chunk: Chunk<Item>, checkMetadata: MetadataCheck) {
  const records: VoucherRecord[] = [];
  const rowOf = new Map<string, number>();
  const failures: Failure[] = [];
  chunk.items.forEach((item, index) => {
    const row = chunk.firstRow + index;
    const result = compiledInput.safeParse(item);
    if (!result.success) {
      failures.push(failureOf(row, keyOf(item), result.error, item));
      return;
    }
    const { code, metadata } = result.data;
    const misfit = checkMetadata(metadata, { isNew: true });
    if (misfit !== undefined) failures.push({ row, key: code, code: 'METADATA_VALIDATION_FAILED', message: misfit });
    else if (rowOf.has(code)) failures.push(duplicate(row, code));
    else {
      rowOf.set(code, row);
      records.push(toVoucherRecord(result.data));
    }
  });
  return { records, rowOf, failures };
}

function keyOf(item: Item): string | null {
  return typeof item.code === 'string' ? item.code : null;
}

function duplicate(row: number, code: string): Failure {
  return { row, key: code, code: 'DUPLICATE', message: `Duplicated voucher exists with id ${code}` };
}
