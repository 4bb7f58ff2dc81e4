import { type RawBuilder, sql } from 'kysely';

/** Column name → Postgres type of its array (`text`, `jsonb`, …); an array column travels as text, `smallint[]` too. */
export type RowTypes<Row> = { readonly [Column in keyof Row & string]: string };

/** Rows as a table of one statement: `from ${rowsAs('r', types, rows)}`. One array parameter a column, whatever the number of
 *  rows, so that the statement is prepared once. Values of jsonb columns are JSON texts. */
export function rowsAs<Row extends object>(
  alias: string,
  types: RowTypes<Row>,
  rows: readonly Row[],
): RawBuilder<unknown> {
  const columns = Object.keys(types) as (keyof Row & string)[];
  const arrays = columns.map((column) => {
    const element = types[column].endsWith('[]') ? 'text' : types[column];
    return sql`${rows.map((row) => row[column])}::${sql.raw(element)}[]`;
  });
  const cells = columns.map((column) =>
    types[column].endsWith('[]')
      ? sql`${sql.ref(column)}::${sql.raw(types[column])} as ${sql.ref(column)}`
      : sql.ref(column),
  );
  return sql`(select ${sql.join(cells)} from unnest(${sql.join(arrays)}) as u(${sql.join(columns.map((column) => sql.ref(column)))})) as ${sql.ref(alias)}`;
}
