import { z } from 'zod';
import type { JsonObject } from '../db/json.ts';
import { type CustomerEntry, writeCustomerEntries } from '../domain/customer-entries.ts';
import { maxSourceId } from '../domain/customer-input.ts';
import { readMetadataCheck } from '../domain/metadata-schemas.ts';
import { failureOf } from '../domain/reasons.ts';
import { isStorable, jsonObject, text, unstorable } from '../tasks/input.ts';
import { defineOperation } from '../tasks/operation.ts';

const metadata = jsonObject();
const input = z.object({
  source_ids: z
    .array(z.unknown().meta({ graphql: 'String', type: 'string', description: 'A source id.' }))
    .default([])
    .describe("The callers' own ids of the customers; a bad one is refused, the rest go through."),
  metadata: metadata
    .refine(isStorable, unstorable)
    .default({})
    .meta({ graphql: 'JSON', description: 'Written to each of them, key by key; the other keys stay.' }),
});

const item = z.object({ source_id: text().min(1).max(maxSourceId) });

/** CUSTOMERS.METADATA_UPDATE: merges the same metadata into each customer, and creates those that are unknown. */
export const updateCustomersMetadata = defineOperation<z.infer<typeof input>, unknown>({
  name: 'customers.metadata_update',
  model: 'ASYNC_ACTION',
  actionType: 'CUSTOMERS.METADATA_UPDATE',
  result: { family: 'UPDATE', key: 'source_id' },
  chunkSize: 2_000,
  mutation: {
    name: 'updateCustomersMetadata',
    description: 'Merges the same metadata into customers, creates those that are unknown. A null in it is kept.',
  },
  input,
  rest: {
    method: 'POST',
    path: '/v1/customers/metadata/async',
    status: 202,
    body: 'json',
    // Official clients may send no body, or neither of its properties.
    toInput: ({ body }) => body ?? {},
  },

  async plan(request) {
    return { parameters: { metadata: request.metadata }, items: request.source_ids };
  },

  async apply(chunk, { tx, projectId, parameters }) {
    const check = await readMetadataCheck(tx, projectId, 'customer');
    const written = metadata.parse(parameters.metadata);
    const entries = chunk.items.map((sourceId, index) => readItem(chunk.firstRow + index, sourceId, written));
    return writeCustomerEntries(tx, projectId, entries, { mode: 'MERGE', check });
  },
});

function readItem(row: number, sourceId: unknown, metadata: JsonObject): CustomerEntry {
  const value = { source_id: sourceId };
  const result = item.safeParse(value);
  if (result.success) {
    const key = result.data.source_id;
    return { row, key, change: { id: null, sourceId: key, profile: { metadata } } };
  }
  const key = typeof sourceId === 'string' ? sourceId : null;
  const { message } = failureOf(row, key, result.error, value);
  return { row, key, refusal: { code: 'INVALID', message } };
}
