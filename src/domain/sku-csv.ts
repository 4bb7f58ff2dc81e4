import type { JsonObject } from '../db/json.ts';
import { ClientError } from '../errors.ts';
import { findNotFinite } from '../finite.ts';
import { isStorable, unstorable } from '../tasks/input.ts';
import { checkHeader, metadataCells, Refusal, readPrice, readRow, readText, required } from './csv-cells.ts';
import type { MetadataSchema } from './metadata-schemas.ts';
import { maxSourceId, maxText } from './product-input.ts';
import { readQuotedObject } from './quoted-object.ts';
import { reason } from './reasons.ts';

/** The CSV files of SKU imports (contract of the async actions, sections 1.5 and 1.6). */

/** One row of such a file. The price is in minor units. */
export interface SkuRow {
  /** Id or source id of the product. */
  readonly product: string;
  readonly sourceId: string;
  readonly sku: string | null;
  readonly price: number | null;
  readonly attributes: JsonObject;
  readonly imageUrl: string | null;
  readonly metadata: JsonObject;
}

const known = new Set(['product_id', 'source_id', 'sku', 'price', 'image_url', 'attributes']);

/** Throws BAD_USER_INPUT when a file with this header cannot hold SKUs. */
export function checkSkuHeader(header: readonly string[]): void {
  checkHeader(header, known, ['product_id', 'source_id']);
}

/** Which columns of an existing SKU a file with this header overwrites. */
export function updatedSkuColumns(header: readonly string[]): ('sku' | 'price')[] {
  const names = header.map((name) => name.toLowerCase());
  return (['sku', 'price'] as const).filter((column) => names.includes(column));
}

/** One row's SKU, or why it is refused. */
export function readSkuRow(
  header: readonly string[],
  cells: readonly string[],
  schema: MetadataSchema,
): { record: SkuRow } | { key: string; reason: string } {
  const hasImage = header.some((name) => name.toLowerCase() === 'image_url');
  return readRow(header, cells, 'source_id', (cell) => ({
    product: required('product_id', cell('product_id'), maxSourceId),
    sourceId: required('source_id', cell('source_id'), maxSourceId),
    sku: readText('sku', cell('sku'), maxText) || null,
    price: readPrice('price', cell('price')),
    attributes: readAttributes(cell('attributes')),
    // An empty cell reads back as empty text (contract, section 5.4).
    imageUrl: hasImage ? readText('image_url', cell('image_url'), maxText) : null,
    metadata: Object.fromEntries(
      metadataCells(header, cells, known).map(([name, text]) => [name, schema.fromCell(name, text)]),
    ),
  }));
}

function readAttributes(text: string): JsonObject {
  if (text === '') return {};
  const object = readObject(text);
  if (object === undefined) {
    throw new Refusal(reason('attributes', "must be an object such as {'color':'blue','ranking':1}", text));
  }
  if (!isStorable(object)) throw new Refusal(`attributes: ${unstorable}`);
  if (findNotFinite(object) !== undefined) throw new Refusal(reason('attributes', 'must hold finite numbers', text));
  return object;
}

function readObject(text: string): JsonObject | undefined {
  try {
    return readQuotedObject(text);
  } catch (error) {
    if (error instanceof ClientError) throw new Refusal(`attributes: ${error.message}`);
    throw error;
  }
}
