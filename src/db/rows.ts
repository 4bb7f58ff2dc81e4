import { type RawBuilder, sql } from 'kysely';

/** Column name → Postgres type of its array (`text`, `jsonb`, …); an array column travels as text, `smallint[]` too. */
export type RowTypes<Row> = { readonly [Column in keyof Row & string]: string };

type Cell = string | number | boolean | Date | null;

/**
 * Rows as a table of one statement: `from ${rowsAs('r', types, rows)}`. A column is one array parameter, or one value where
 * all rows have the same; where few values come again and again and are slow to read, it is those and where each stands: an import
 * has few columns that differ in every row, and what travels once is written, parsed and stored once.
 * Values of jsonb columns are JSON texts. With `ids`, one for each row, there is a column `id` besides.
 */
export function rowsAs<Row extends { readonly [Column in keyof Row]: Cell }>(
  alias: string,
  types: RowTypes<Row>,
  rows: readonly Row[],
  ids?: readonly string[],
): RawBuilder<unknown> {
  const cells = toColumns(Object.keys(types), rows);
  // The first is a list whatever it holds, unless ids are: something must say how many rows there are.
  const columns = Object.entries<string>(types).map(([name, type], index) =>
    columnOf(name, type, cells[index] ?? [], { isList: index === 0 && ids === undefined }),
  );
  if (ids !== undefined) columns.push(columnOf('id', 'text', ids, { isList: true }));
  const lists = columns.flatMap(({ list }) => list ?? []);
  const selected = sql.join(columns.map(({ cell }) => cell));
  return sql`(
    select ${selected} from unnest(${sql.join(lists.map(({ parameter }) => parameter))}) as u(${sql.join(lists.map(({ name }) => name))})
  ) as ${sql.ref(alias)}`;
}

type ToColumns = (rows: readonly unknown[]) => Cell[][];

const toColumnsOf = new Map<string, ToColumns>();

/** The cells column by column, by code that is made for these names: V8 reads a property whose name varies many times slower, and every
 *  cell of every import comes by here. The names are ours, so there are few lists of them. */
function toColumns(names: readonly string[], rows: readonly unknown[]): Cell[][] {
  const key = JSON.stringify(names);
  const toColumns = toColumnsOf.get(key) ?? makeToColumns(names);
  toColumnsOf.set(key, toColumns);
  return toColumns(rows);
}

function makeToColumns(names: readonly string[]): ToColumns {
  const lists = names.map((_, index) => `list${index}`);
  const copies = names.map((name, index) => `list${index}[index] = row[${JSON.stringify(name)}] ?? null;`);
  const made: unknown = new Function(
    'rows',
    `const count = rows.length;
    ${lists.map((list) => `const ${list} = new Array(count);`).join(' ')}
    for (let index = 0; index < count; index += 1) { const row = rows[index]; ${copies.join(' ')} }
    return [${lists.join(', ')}];`,
  );
  return made as ToColumns;
}

interface Column {
  /** What stands in the list of the select. */
  readonly cell: RawBuilder<unknown>;
  /** What is unnested for it; nothing for one value. */
  readonly list?: { readonly name: RawBuilder<unknown>; readonly parameter: RawBuilder<unknown> };
}

function columnOf(
  column: string,
  typeName: string,
  cells: readonly Cell[],
  { isList }: { readonly isList: boolean },
): Column {
  const name = sql.ref(column);
  const type = sql.raw(typeName);
  const [first = null] = cells;
  if (!isList && cells.length > 0 && cells.every((cell) => isSame(cell, first))) {
    return { cell: sql`${toParameter(first)}::${type} as ${name}` };
  }
  const repeated = slowToRead.has(typeName) ? findRepeated(cells) : undefined;
  if (repeated !== undefined) {
    return {
      cell: sql`(${arrayLiteral(repeated.values)}::${type}[])[${name}] as ${name}`,
      list: { name, parameter: sql`${arrayLiteral(repeated.positions)}::integer[]` },
    };
  }
  // A list of lists cannot be unnested row by row.
  if (typeName.endsWith('[]')) {
    return { cell: sql`${name}::${type} as ${name}`, list: { name, parameter: sql`${arrayLiteral(cells)}::text[]` } };
  }
  return { cell: name, list: { name, parameter: sql`${arrayLiteral(cells)}::${type}[]` } };
}

/** To read a JSON text or a date takes Postgres longer than to find the value in a short list. */
const slowToRead: ReadonlySet<string> = new Set(['jsonb', 'timestamptz']);
const maxRepeated = 32;

/** The different values and for each cell the position of its value, from 1; undefined when there are too many. */
function findRepeated(cells: readonly Cell[]): { values: Cell[]; positions: number[] } | undefined {
  const known = new Map<ReturnType<typeof comparable>, number>();
  const values: Cell[] = [];
  const positions: number[] = [];
  for (const cell of cells) {
    const key = comparable(cell);
    let position = known.get(key);
    if (position === undefined) {
      if (values.length === maxRepeated) return undefined;
      position = values.push(cell);
      known.set(key, position);
    }
    positions.push(position);
  }
  return { values, positions };
}

function isSame(a: Cell, b: Cell): boolean {
  return a === b || (a instanceof Date && comparable(a) === comparable(b));
}

function comparable(cell: Cell): string | number | boolean | null {
  return cell instanceof Date ? cell.getTime() : cell;
}

/** The text of an array: the driver would build the same from a list, several times slower. */
function arrayLiteral(cells: readonly Cell[]): string {
  const list = JSON.stringify(cells.map((cell) => (cell instanceof Date ? toTimestamp(cell) : cell)));
  return escapedByJsonAlone.test(list) ? `{${cells.map(toElement).join(',')}}` : `{${list.slice(1, -1)}}`;
}

function toElement(cell: Cell): string {
  if (cell === null) return 'NULL';
  if (typeof cell === 'string') return `"${cell.replace(specials, '\\$&')}"`;
  return cell instanceof Date ? `"${toTimestamp(cell)}"` : String(cell);
}

function toParameter(cell: Cell): string | number | boolean | null {
  return cell instanceof Date ? toTimestamp(cell) : cell;
}

const specials = /["\\]/g;
/** JSON escapes a quote and a backslash as an array does; all else it escapes in its own way. */
const escapedByJsonAlone = /\\[^"\\]/;

/** As Postgres reads it: it knows no year 0 and no sign. */
function toTimestamp(date: Date): string {
  const text = date.toISOString();
  const year = date.getUTCFullYear();
  if (year >= 1 && year <= 9999) return text;
  const rest = text.slice(text.indexOf('-', 1));
  return year >= 1 ? `${year}${rest}` : `${String(1 - year).padStart(4, '0')}${rest} BC`;
}
