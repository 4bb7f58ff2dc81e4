import { z } from 'zod';
import { changeProducts, type ProductChange } from '../domain/product-changes.ts';
import { metadata, sourceId } from '../domain/product-input.ts';
import { failureOf } from '../domain/reasons.ts';
import { isStorable, unstorable } from '../tasks/input.ts';
import { type Chunk, defineOperation, type Failure, type ReportRow } from '../tasks/operation.ts';

const input = z.object({
  source_ids: z
    .array(z.unknown().meta({ graphql: 'ID', description: "A product's source id." }))
    .default([])
    .describe('Source ids of the products; an unknown one makes a new product, a bad one is refused.'),
  metadata: metadata.refine(isStorable, unstorable),
});

const item = z.object({ source_id: sourceId });
const parameters = z.object({ metadata: metadata.default({}) });

/** PRODUCTS.METADATA_UPDATE: writes the same metadata to every listed product; an unknown one is made. */
export const updateProductsMetadata = defineOperation<z.infer<typeof input>, unknown>({
  name: 'products.metadata_update',
  model: 'ASYNC_ACTION',
  actionType: 'PRODUCTS.METADATA_UPDATE',
  result: { family: 'UPDATE', key: 'source_id' },
  chunkSize: 2_000,
  mutation: {
    name: 'updateProductsMetadata',
    description: 'Writes the same metadata to products by their source ids; an unknown one makes a new product.',
  },
  input,
  rest: {
    method: 'POST',
    path: '/v1/products/metadata/async',
    status: 202,
    body: 'json',
    toInput: ({ body }) => body ?? {},
  },

  async plan(request) {
    return { parameters: { metadata: request.metadata ?? {} }, items: request.source_ids };
  },

  async apply(chunk, context) {
    const { changes, failures } = readChanges(chunk, parameters.parse(context.parameters).metadata);
    const done = await changeProducts(context.tx, context.projectId, changes);
    const report = chunk.items.map<ReportRow>(
      (given, index) => done.report.get(chunk.firstRow + index) ?? [keyOf(given) ?? '', false, false],
    );
    return { failures: [...failures, ...done.failures], report };
  },
});

function readChanges(chunk: Chunk<unknown>, metadata: ProductChange['fields']['metadata']) {
  const changes: ProductChange[] = [];
  const failures: Failure[] = [];
  chunk.items.forEach((given, index) => {
    const row = chunk.firstRow + index;
    const result = item.safeParse({ source_id: given });
    if (result.success) changes.push({ row, sourceId: result.data.source_id, fields: { metadata } });
    else failures.push({ ...failureOf(row, keyOf(given), result.error, { source_id: given }), code: 'INVALID' });
  });
  return { changes, failures };
}

function keyOf(given: unknown): string | null {
  return typeof given === 'string' ? given : null;
}
