import type { Tx } from '../db/client.ts';
import type { Failure, ReportRow } from '../tasks/operation.ts';
import { type MetadataCheck, readMetadataCheck } from './metadata-schemas.ts';
import type { ProductFields } from './product-input.ts';
import { lockProducts, type ProductWrite, writeProducts } from './products.ts';

/** What one item of a bulk operation says of a product. */
export interface ProductChange {
  readonly row: number;
  /** Null makes a new product in any case. */
  readonly sourceId: string | null;
  readonly fields: ProductFields;
}

export interface ChangedProducts {
  readonly failures: readonly Failure[];
  /** By row: what was done, also for the rows that are refused. */
  readonly report: ReadonlyMap<number, ReportRow>;
}

const allFields = ['name', 'price', 'attributes', 'image_url', 'metadata'] as const;
type Field = (typeof allFields)[number];

/**
 * Makes products, or changes those whose source id exists: fields that are given and are in `overwritten` (all by default) are
 * written, metadata is merged key by key. Where a source id comes twice the later change counts. Metadata that does not fit
 * the project's schema refuses its row. Changes in row order.
 */
export async function changeProducts(
  tx: Tx,
  projectId: string,
  changes: readonly ProductChange[],
  overwritten: readonly Field[] = allFields,
): Promise<ChangedProducts> {
  const check = await readMetadataCheck(tx, projectId, 'product');
  const found = await lockProducts(tx, projectId, sourceIdsOf(changes));
  const { folded, failures } = fold(changes, found, check, overwritten);
  const writes = [...folded.values()].map(({ sourceId, fields }) => toWrite(sourceId, fields, overwritten));
  const changed = await writeProducts(tx, projectId, writes, found);
  const refused = new Set(failures.map(({ row }) => row));
  const known = new Set(found);
  const report = new Map<number, ReportRow>();
  for (const { row, sourceId } of changes) {
    const key = sourceId ?? '';
    report.set(row, [key, known.has(key), !refused.has(row) && (sourceId === null || changed.has(sourceId))]);
    if (!refused.has(row)) known.add(key);
  }
  return { failures, report };
}

function sourceIdsOf(changes: readonly ProductChange[]): string[] {
  return [...new Set(changes.map(({ sourceId }) => sourceId).filter((sourceId) => sourceId !== null))];
}

/** The changes that fit, one for each source id; those without one stay apart. */
function fold(
  changes: readonly ProductChange[],
  found: ReadonlySet<string>,
  check: MetadataCheck,
  overwritten: readonly Field[],
) {
  const folded = new Map<string | symbol, ProductChange>();
  const failures: Failure[] = [];
  for (const change of changes) {
    const { row, sourceId, fields } = change;
    const earlier = sourceId === null ? undefined : folded.get(sourceId);
    const isNew = earlier === undefined && (sourceId === null || !found.has(sourceId));
    const misfit = check(fields.metadata, { isNew });
    if (misfit !== undefined) {
      failures.push({ row, key: sourceId, code: 'METADATA_VALIDATION_FAILED', message: misfit });
    } else {
      folded.set(sourceId ?? Symbol(), earlier === undefined ? change : merge(earlier, fields, overwritten));
    }
  }
  return { folded, failures };
}

function merge(earlier: ProductChange, later: ProductFields, overwritten: readonly Field[]): ProductChange {
  const given = Object.entries(later).filter(([name]) => overwritten.some((field) => field === name));
  const metadata = { ...earlier.fields.metadata, ...(overwritten.includes('metadata') ? later.metadata : {}) };
  return { ...earlier, fields: { ...earlier.fields, ...Object.fromEntries(given), metadata } };
}

function toWrite(sourceId: string | null, fields: ProductFields, overwritten: readonly Field[]): ProductWrite {
  const sets = (field: Field) => fields[field] !== undefined && overwritten.includes(field);
  return {
    source_id: sourceId,
    name: fields.name ?? null,
    price: fields.price ?? null,
    attributes: JSON.stringify(fields.attributes ?? []),
    image_url: fields.image_url ?? null,
    metadata: JSON.stringify(fields.metadata ?? {}),
    sets_name: sets('name'),
    sets_price: sets('price'),
    sets_attributes: sets('attributes'),
    sets_image_url: sets('image_url'),
    sets_metadata: sets('metadata'),
  };
}
