import { z } from 'zod';
import { type CustomerEntry, writeCustomerEntries } from '../domain/customer-entries.ts';
import { customerInput, toProfile } from '../domain/customer-input.ts';
import { readMetadataCheck } from '../domain/metadata-schemas.ts';
import { failureOf } from '../domain/reasons.ts';
import { itemList } from '../tasks/input.ts';
import { defineOperation } from '../tasks/operation.ts';

type Item = Record<string, unknown>;

const input = z.object({
  customers: itemList(customerInput, 'The customers; a bad one is refused, the rest go through.'),
});

const compiledInput = z.compile(customerInput);

/** CUSTOMERS.BULK_UPDATE: writes the given fields of each customer, and creates those that are unknown. */
export const bulkUpdateCustomers = defineOperation<z.infer<typeof input>, Item>({
  name: 'customers.bulk_update',
  model: 'ASYNC_ACTION',
  actionType: 'CUSTOMERS.BULK_UPDATE',
  result: { family: 'UPDATE', key: 'source_id' },
  chunkSize: 2_000,
  mutation: {
    name: 'bulkUpdateCustomers',
    description:
      'Writes the given fields of customers, creates those that are unknown. Metadata is merged key by key; a null in it is kept.',
  },
  input,
  rest: {
    method: 'POST',
    path: '/v1/customers/bulk/async',
    status: 202,
    body: 'json',
    // Official clients may send no body at all.
    toInput: ({ body }) => ({ customers: body ?? [] }),
  },

  async plan(request) {
    return { parameters: {}, items: request.customers };
  },

  async apply(chunk, { tx, projectId }) {
    const check = await readMetadataCheck(tx, projectId, 'customer');
    const entries = chunk.items.map((item, index) => readItem(chunk.firstRow + index, item));
    return writeCustomerEntries(tx, projectId, entries, { mode: 'MERGE', check });
  },
});

function readItem(row: number, item: Item): CustomerEntry {
  const key = typeof item.source_id === 'string' ? item.source_id : null;
  const result = compiledInput.safeParse(item);
  if (!result.success) {
    const { message } = failureOf(row, key, result.error, item);
    return { row, key, refusal: { code: 'INVALID', message } };
  }
  return { row, key, change: { id: null, sourceId: key, profile: toProfile(result.data) } };
}
