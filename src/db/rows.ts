import { type RawBuilder, sql } from 'kysely';

/** Column name → Postgres type of its array (`text`, `jsonb`, …); an array column travels as text, `smallint[]` too. */
export type RowTypes<Row> = { readonly [Column in keyof Row & string]: string };

type Cell = string | number | boolean | Date | null;

/**
 * Rows as a table of one statement: `from ${rowsAs('r', types, rows)}`. A column is one array parameter, or one value where
 * all rows have the same: an import has few columns that differ, and what travels once is written, parsed and unnested once.
 * Values of jsonb columns are JSON texts. With `ids`, one for each row, there is a column `id` besides.
 */
export function rowsAs<Row extends { readonly [Column in keyof Row]: Cell }>(
  alias: string,
  types: RowTypes<Row>,
  rows: readonly Row[],
  ids?: readonly string[],
): RawBuilder<unknown> {
  const columns = Object.keys(types) as (keyof Row & string)[];
  // The first is an array whatever it holds, unless ids are: something must say how many rows there are.
  const arrays = columns.filter((column, index) => (index === 0 && ids === undefined) || !isSame(rows, column));
  const cells = columns.map((column) => {
    const type = sql.raw(types[column]);
    if (!arrays.includes(column)) return sql`${toParameter(rows[0]?.[column] ?? null)}::${type} as ${sql.ref(column)}`;
    return isArray(types[column]) ? sql`${sql.ref(column)}::${type} as ${sql.ref(column)}` : sql.ref(column);
  });
  const parameters = arrays.map((column) => {
    const element = isArray(types[column]) ? 'text' : types[column];
    return sql`${arrayLiteral(rows.map((row) => row[column]))}::${sql.raw(element)}[]`;
  });
  const names = arrays.map((column) => sql.ref(column));
  if (ids !== undefined) {
    cells.push(sql.ref('id'));
    parameters.push(sql`${arrayLiteral(ids)}::text[]`);
    names.push(sql.ref('id'));
  }
  return sql`(select ${sql.join(cells)} from unnest(${sql.join(parameters)}) as u(${sql.join(names)})) as ${sql.ref(alias)}`;
}

function isArray(type: string): boolean {
  return type.endsWith('[]');
}

function isSame<Row extends { readonly [Column in keyof Row]: Cell }>(
  rows: readonly Row[],
  column: keyof Row,
): boolean {
  const first = comparable(rows[0]?.[column] ?? null);
  return rows.length > 0 && rows.every((row) => comparable(row[column]) === first);
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
