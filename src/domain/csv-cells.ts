import { z } from 'zod';
import type { JsonObject } from '../db/json.ts';
import { badInput } from '../errors.ts';
import { isStorable, unstorable } from '../tasks/input.ts';
import { readWireDate } from './dates.ts';
import { reason } from './reasons.ts';

/** What the CSV files of all entities have in common (contract of the async actions, section 1.6): headers are matched
 *  whatever their case, cells are trimmed, a column that is not known is metadata, a bad cell loses its row alone. */

/** The known columns of a kind of file, in lower case. */
export type KnownColumns = Pick<ReadonlyMap<string, unknown>, 'has'>;

/** Gives the trimmed cell of a column, whatever the name's case; empty where the file has no such column. */
export type ReadCell = (name: string) => string;

/** Why a row is refused. Thrown by the readers of cells, caught by `readRow`; it leaves as the row's reason. */
export class Refusal extends Error {}

/** Throws BAD_USER_INPUT when the header lacks a required column, names one twice or has a metadata column whose name is
 *  empty or has white space. */
export function checkHeader(header: readonly string[], known: KnownColumns, requiredColumns: readonly string[]): void {
  const names = header.map((name) => name.toLowerCase());
  const missing = requiredColumns.find((name) => !names.includes(name.toLowerCase()));
  if (missing !== undefined) {
    throw invalidHeader(`the column ${missing} is missing; found ${header.slice(0, 20).join(', ')}`);
  }
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw invalidHeader(`the column ${twice} stands there twice`);
  if (!isStorable(header)) throw invalidHeader(`a column name ${unstorable}`);
  const spaced = header.find((name) => !known.has(name.toLowerCase()) && (/[\s\\]/.test(name) || name === ''));
  if (spaced !== undefined)
    throw invalidHeader(`a metadata column has a name without white space and backslash; found '${spaced}'`);
}

/** What `read` makes of one row, or why the row is refused, with the cell of `keyColumn`. */
export function readRow<Row>(
  header: readonly string[],
  cells: readonly string[],
  keyColumn: string,
  read: (cell: ReadCell) => Row,
): { record: Row } | { key: string; reason: string } {
  const { indexOf } = columnsOf(header);
  const cell: ReadCell = (name) => cells[indexOf(name)]?.trim() ?? '';
  try {
    const unfit = cells.findIndex((text) => !isStorable(text));
    if (unfit !== -1 && unfit < header.length) throw new Refusal(`${header[unfit]}: ${unstorable}`);
    if (cells.length !== header.length) throw new Refusal(`expected ${header.length} cells, found ${cells.length}`);
    return { record: read(cell) };
  } catch (error) {
    if (error instanceof Refusal) return { key: cell(keyColumn), reason: error.message };
    throw error;
  }
}

/** How the row of a file names its record: by the cells of these columns. The task's parameters hold the file's header. */
export function namedByCells(...columns: readonly string[]) {
  return (parameters: JsonObject) => {
    const { indexOf } = columnsOf(withHeader.parse(parameters).header);
    return { of: (cells: readonly string[]) => columns.map((name) => cells[indexOf(name)]?.trim()) };
  };
}

const withHeader = z.object({ header: z.array(z.string()) });

/** The row's metadata, by column name: every column that is not known, as text; an empty cell has none. */
export function metadataCells(
  header: readonly string[],
  cells: readonly string[],
  known: KnownColumns,
): (readonly [name: string, cell: string])[] {
  const given: (readonly [name: string, cell: string])[] = [];
  for (const index of columnsOf(header).unknownTo(known)) {
    const cell = cells[index]?.trim() ?? '';
    if (cell !== '') given.push([header[index] ?? '', cell]);
  }
  return given;
}

/** What a header says, worked out once for all of its rows. */
interface Columns {
  /** Where the column of this name is, whatever its case; -1 where there is none. */
  indexOf(name: string): number;
  unknownTo(known: KnownColumns): readonly number[];
}

const columnsOfHeaders = new WeakMap<readonly string[], Columns>();

function columnsOf(header: readonly string[]): Columns {
  const before = columnsOfHeaders.get(header);
  if (before !== undefined) return before;
  const lower = header.map((name) => name.toLowerCase());
  const indexes = new Map<string, number>();
  const unknown = new Map<KnownColumns, readonly number[]>();
  const columns: Columns = {
    indexOf: (name) => {
      const index = indexes.get(name) ?? lower.lastIndexOf(name.toLowerCase());
      indexes.set(name, index);
      return index;
    },
    unknownTo: (known) => {
      const found = unknown.get(known) ?? lower.flatMap((name, index) => (known.has(name) ? [] : [index]));
      unknown.set(known, found);
      return found;
    },
  };
  columnsOfHeaders.set(header, columns);
  return columns;
}

/** The cell's text. Refuses an empty one, and one of more than `maxCharacters`. */
export function required(name: string, value: string, maxCharacters?: number): string {
  if (value === '') throw new Refusal(`${name} is required`);
  return readText(name, value, maxCharacters);
}

/** The cell's text, empty or not. Refuses more than `maxCharacters`. */
export function readText(name: string, value: string, maxCharacters = Number.POSITIVE_INFINITY): string {
  if (value.length <= maxCharacters) return value;
  throw new Refusal(reason(name, `must have at most ${maxCharacters} characters`, value));
}

/** One of the choices, written exactly so. */
export function readChoice<const Choice extends string>(
  name: string,
  value: string,
  choices: readonly Choice[],
): Choice {
  const text = required(name, value);
  const choice = choices.find((candidate) => candidate === text);
  if (choice === undefined) throw new Refusal(reason(name, `must be equal to one of ${choices.join(',')}`, text));
  return choice;
}

/** A whole number from 0 to 999,999,999,999,999. */
export function readWhole(name: string, value: string): number {
  const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
  if (Number.isNaN(number)) throw new Refusal(reason(name, 'must be an integer', value));
  return number;
}

/** A whole number that fits an integer column. */
export function readCount(name: string, value: string): number {
  const number = readWhole(name, value);
  if (number > 2_147_483_647) throw new Refusal(reason(name, 'cannot be greater than 2147483647', value));
  return number;
}

/** A number from 0 to 100, with up to six decimals. */
export function readPercent(name: string, value: string): number {
  const number = /^\d{1,3}(\.\d{1,6})?$/.test(value) ? Number(value) : Number.NaN;
  if (Number.isNaN(number) || number > 100) throw new Refusal(reason(name, 'must be a number from 0 to 100', value));
  return number;
}

/** Minor units of a price in major units: `14.5` → 1450; an empty cell has none. Decimals beyond the second must be 0. */
export function readPrice(name: string, value: string): number | null {
  if (value === '') return null;
  const [, whole, fraction = ''] = /^(\d{1,12})(?:\.(\d{1,2})0*)?$/.exec(value) ?? [];
  if (whole === undefined) {
    throw new Refusal(reason(name, 'must be a number of major units with at most 2 decimals', value));
  }
  return Number(whole) * 100 + Number(fraction.padEnd(2, '0'));
}

/** TRUE or FALSE in any case; `fallback` for an empty cell. */
export function readFlag(name: string, value: string, fallback: boolean): boolean {
  switch (value.toLowerCase()) {
    case '':
      return fallback;
    case 'true':
      return true;
    case 'false':
      return false;
    default:
      throw new Refusal(reason(name, 'must be TRUE or FALSE', value));
  }
}

/** A moment in one of the contract's forms; null for an empty cell. */
export function readDate(name: string, value: string): Date | null {
  if (value === '') return null;
  const date = readWireDate(value);
  if (date === undefined) throw new Refusal(reason(name, 'must be an ISO 8601 date', value));
  return date;
}

function invalidHeader(message: string) {
  return badInput(['file'], 'INVALID_CSV_HEADER', `The header line cannot be used: ${message}`);
}
