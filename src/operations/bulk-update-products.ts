import { z } from 'zod';
import { changeProducts, type ProductChange } from '../domain/product-changes.ts';
import { productUpdate } from '../domain/product-input.ts';
import { failureOf } from '../domain/reasons.ts';
import { itemList } from '../tasks/input.ts';
import { type Chunk, defineOperation, type Failure, type ReportRow } from '../tasks/operation.ts';

type Item = Record<string, unknown>;

const input = z.object({
  products: itemList(productUpdate, 'The products; a bad one is refused, the rest go through.'),
});

const compiledInput = z.compile(productUpdate);

/** PRODUCTS.BULK_UPDATE: changes the fields given of products by their source ids; an unknown one makes a new product. */
export const bulkUpdateProducts = defineOperation<z.infer<typeof input>, Item>({
  name: 'products.bulk_update',
  model: 'ASYNC_ACTION',
  actionType: 'PRODUCTS.BULK_UPDATE',
  result: { family: 'UPDATE', key: 'source_id' },
  chunkSize: 2_000,
  mutation: {
    name: 'bulkUpdateProducts',
    description: 'Changes products by their source ids; an unknown one makes a new product.',
  },
  input,
  rest: {
    method: 'POST',
    path: '/v1/products/bulk/async',
    status: 202,
    body: 'json',
    toInput: ({ body }) => ({ products: body ?? [] }),
  },

  async plan(request) {
    return { parameters: {}, items: request.products };
  },

  async apply(chunk, { tx, projectId }) {
    const { changes, failures } = readChanges(chunk);
    const done = await changeProducts(tx, projectId, changes);
    const report = chunk.items.map<ReportRow>(
      (item, index) => done.report.get(chunk.firstRow + index) ?? [keyOf(item) ?? '', false, false],
    );
    return { failures: [...failures, ...done.failures], report };
  },
});

function readChanges(chunk: Chunk<Item>) {
  const changes: ProductChange[] = [];
  const failures: Failure[] = [];
  chunk.items.forEach((item, index) => {
    const row = chunk.firstRow + index;
    const result = compiledInput.safeParse(item);
    if (result.success) changes.push({ row, sourceId: result.data.source_id, fields: result.data });
    else failures.push({ ...failureOf(row, keyOf(item), result.error, item), code: 'INVALID' });
  });
  return { changes, failures };
}

function keyOf(item: Item): string | null {
  return typeof item.source_id === 'string' ? item.source_id : null;
}
