import { z } from 'zod';
import { reason } from '../domain/reasons.ts';
import { changeVouchersMetadata, codeInput, type MetadataChange, metadataInput } from '../domain/voucher-metadata.ts';
import { isStorable, unstorable } from '../tasks/input.ts';
import { defineOperation } from '../tasks/operation.ts';

const input = z.object({
  codes: z
    .array(z.unknown().meta({ graphql: 'String', type: 'string', description: 'A code.' }))
    .default([])
    .describe('The vouchers; one that does not exist is refused, the rest go through.'),
  metadata: metadataInput
    .refine(isStorable, unstorable)
    .default({})
    .describe('Keys to write to every voucher; those not named stay.'),
});
const parameters = input.pick({ metadata: true });

/** VOUCHERS.METADATA_UPDATE: merges the same metadata into every voucher that is listed; no voucher is created. */
export const updateVouchersMetadata = defineOperation<z.infer<typeof input>, unknown>({
  name: 'vouchers.metadata_update',
  model: 'ASYNC_ACTION',
  actionType: 'VOUCHERS.METADATA_UPDATE',
  result: { family: 'UPDATE', key: 'code' },
  chunkSize: 2_000,
  mutation: {
    name: 'updateVouchersMetadata',
    description: 'Writes the same metadata to every voucher that is listed. Keys that are not named stay.',
  },
  input,
  rest: {
    method: 'POST',
    path: '/v1/vouchers/metadata/async',
    status: 202,
    body: 'json',
    toInput: ({ body }) => body ?? {},
  },

  async plan({ codes, metadata }) {
    return { parameters: { metadata }, items: codes };
  },

  async apply({ items, firstRow }, context) {
    const { metadata } = parameters.parse(context.parameters);
    const changes = items.map((code, index): MetadataChange => readChange(firstRow + index, code, metadata));
    return changeVouchersMetadata(context.tx, context.projectId, changes);
  },
});

function readChange(row: number, code: unknown, metadata: z.infer<typeof metadataInput>): MetadataChange {
  const read = codeInput.safeParse(code);
  if (read.success && isStorable(read.data)) return { row, code: read.data, metadata };
  const phrase = isStorable(code) ? 'must be a string of 1 to 255 characters' : unstorable;
  const key = typeof code === 'string' ? code : null;
  return { failure: { row, key, code: 'INVALID', message: reason('code', phrase, code) } };
}
