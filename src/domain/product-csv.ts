import {
  checkHeader,
  metadataCells,
  type ReadCell,
  Refusal,
  readPrice,
  readRow,
  readText,
  required,
} from './csv-cells.ts';
import type { MetadataSchema } from './metadata-schemas.ts';
import { maxSourceId, maxText, type ProductFields } from './product-input.ts';

/** The CSV files of product imports (contract of the async actions, sections 1.5 and 1.6). */

const known = new Set(['name', 'source_id', 'price', 'attributes', 'image_url']);

/** Throws BAD_USER_INPUT when a file with this header cannot hold products. */
export function checkProductHeader(header: readonly string[]): void {
  checkHeader(header, known, ['name']);
}

/** One row's product, its price in minor units, or why it is refused. */
export function readProductRow(
  header: readonly string[],
  cells: readonly string[],
  schema: MetadataSchema,
): { record: { sourceId: string | null; fields: ProductFields } } | { key: string; reason: string } {
  return readRow(header, cells, 'source_id', (cell) => ({
    sourceId: readText('source_id', cell('source_id'), maxSourceId) || null,
    fields: {
      name: required('name', cell('name'), maxText),
      price: readPrice('price', cell('price')),
      attributes: readNames(cell),
      image_url: readText('image_url', cell('image_url'), maxText) || null,
      metadata: Object.fromEntries(
        metadataCells(header, cells, known).map(([name, text]) => [name, schema.fromCell(name, text)]),
      ),
    },
  }));
}

/** One cell with commas between the names. */
function readNames(cell: ReadCell): string[] {
  const names = cell('attributes')
    .split(',')
    .map((name) => name.trim());
  const filled = names.filter((name) => name !== '');
  if (filled.length > 1000) throw new Refusal('attributes: cannot have more than 1000 names');
  return [...new Set(filled)];
}
