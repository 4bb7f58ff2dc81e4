import type { Json, JsonObject } from '../db/json.ts';
import { checkHeader, metadataCells, type ReadCell, Refusal, readRow, readText } from './csv-cells.ts';
import type { CustomerChange } from './customer-changes.ts';
import { maxSourceId, maxText, readDay } from './customer-input.ts';
import { reason } from './reasons.ts';

/** The CSV files of customer imports (contract of the async actions, sections 1.5 and 1.6). */

/** The address columns, under the names of the description and of the official template. */
const addressColumns: readonly (readonly [part: string, names: readonly string[]])[] = [
  ['line_1', ['Address_line_1']],
  ['line_2', ['Address_line_2']],
  ['postal_code', ['Address_Postal_Code', 'Postal_Code']],
  ['city', ['Address_City', 'City']],
  ['state', ['Address_State', 'State']],
  ['country', ['Address_Country', 'Country']],
];

/** In lower case. */
const known = new Set(
  [
    'Id',
    'Source_id',
    'Name',
    'Email',
    'Phone',
    'Birthdate',
    'Description',
    ...addressColumns.flatMap(([, names]) => names),
  ] //
    .map((name) => name.toLowerCase()),
);

/** Throws BAD_USER_INPUT when a file with this header cannot hold customers: it needs a column of theirs. */
export function checkCustomerHeader(header: readonly string[]): void {
  checkHeader(header, known, header.some((name) => known.has(name.toLowerCase())) ? [] : ['Source_id']);
}

/** One row's customer, complete: what has no cell is empty. Or why it is refused, with the source id. `fromCell` gives
 *  metadata its declared type. */
export function readCustomerRow(
  header: readonly string[],
  cells: readonly string[],
  fromCell: (name: string, cell: string) => Json,
): { record: CustomerChange } | { key: string; reason: string } {
  return readRow(header, cells, 'Source_id', (cell) => {
    if (cells.every((text) => text.trim() === '')) throw new Refusal('the row is empty');
    const entries = metadataCells(header, cells, known).map(([name, text]) => [name, fromCell(name, text)] as const);
    return readChange(cell, entries.length === 0 ? null : Object.fromEntries(entries));
  });
}

function readChange(cell: ReadCell, metadata: JsonObject | null): CustomerChange {
  const read = (name: string, maxCharacters = maxText) => readText(name, cell(name), maxCharacters) || null;
  return {
    id: read('Id'),
    sourceId: read('Source_id', maxSourceId),
    profile: {
      name: read('Name'),
      description: read('Description'),
      email: read('Email'),
      phone: read('Phone'),
      birthdate: readBirthdate(cell('Birthdate')),
      address: readAddress(read),
      metadata,
    },
  };
}

function readBirthdate(text: string): string | null {
  if (text === '') return null;
  const day = readDay(text);
  if (day === undefined) throw new Refusal(reason('Birthdate', 'must be an ISO 8601 date', text));
  return day;
}

function readAddress(read: (name: string) => string | null): JsonObject | null {
  const parts = addressColumns.flatMap(([part, names]) => {
    const text = names.map((name) => read(name)).find((value) => value !== null);
    return text === undefined ? [] : [[part, text] as const];
  });
  return parts.length === 0 ? null : Object.fromEntries(parts);
}
