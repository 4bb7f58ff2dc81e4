import { z } from 'zod';
import { failureOf } from '../domain/reasons.ts';
import { changeVouchersMetadata, type MetadataChange, voucherMetadataInput } from '../domain/voucher-metadata.ts';
import { itemList } from '../tasks/input.ts';
import { defineOperation } from '../tasks/operation.ts';

type Item = Record<string, unknown>;

const input = z.object({
  vouchers: itemList(voucherMetadataInput, 'The vouchers; one that does not exist is refused, the rest go through.'),
});

const compiledInput = z.compile(voucherMetadataInput);

/** VOUCHERS.BULK_UPDATE: merges metadata of its own into each voucher; no voucher is created. */
export const bulkUpdateVouchers = defineOperation<z.infer<typeof input>, Item>({
  name: 'vouchers.bulk_update',
  model: 'ASYNC_ACTION',
  actionType: 'VOUCHERS.BULK_UPDATE',
  result: { family: 'UPDATE', key: 'code' },
  chunkSize: 2_000,
  mutation: {
    name: 'bulkUpdateVouchers',
    description:
      'Writes metadata of its own to each voucher. Keys that are not named stay; nothing else can be changed.',
  },
  input,
  rest: {
    method: 'POST',
    path: '/v1/vouchers/bulk/async',
    status: 202,
    body: 'json',
    toInput: ({ body }) => ({ vouchers: body ?? [] }),
  },

  async plan(request) {
    return { parameters: {}, items: request.vouchers };
  },

  async apply({ items, firstRow }, { tx, projectId }) {
    return changeVouchersMetadata(
      tx,
      projectId,
      items.map((item, index) => readChange(firstRow + index, item)),
    );
  },
});

function readChange(row: number, item: Item): MetadataChange {
  const result = compiledInput.safeParse(item);
  if (result.success) return { row, ...result.data };
  const key = typeof item.code === 'string' ? item.code : null;
  return { failure: { ...failureOf(row, key, result.error, item), code: 'INVALID' } };
}
