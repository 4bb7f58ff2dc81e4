import { type RawBuilder, sql } from 'kysely';

/** The conditions that a list can be filtered by (`FilterConditionsString` and `FilterConditionsDateTime` of the async-action
 *  contract). What is not set fulfils `$is_unknown` and every condition with a `not`, and no other. */

/** A field of a list: the column behind it, and what that holds. */
export interface FilterField {
  readonly column: string;
  readonly holds: 'text' | 'moment';
}
/** By the names that clients give them. */
export type FilterFields = Readonly<Record<string, FilterField>>;

interface Condition {
  /** Of what the value is: a string, a list of strings, a Date; `nothing`: it says nothing. */
  readonly takes: 'text' | 'texts' | 'moment' | 'nothing';
  readonly test: (column: RawBuilder<unknown>, value: unknown) => RawBuilder<boolean>;
}

/** One condition on one field. */
export interface Filter {
  readonly field: FilterField;
  readonly condition: Condition;
  readonly value: unknown;
}

export interface Filters {
  readonly junction: 'AND' | 'OR';
  readonly filters: readonly Filter[];
}

const settled: Readonly<Record<string, Condition>> = {
  $is_unknown: { takes: 'nothing', test: (column) => sql`${column} is null` },
  $has_value: { takes: 'nothing', test: (column) => sql`${column} is not null` },
};

/** The conditions on a field, by what it holds. */
export const filterConditions: Readonly<Record<FilterField['holds'], Readonly<Record<string, Condition>>>> = {
  text: {
    $is: { takes: 'text', test: (column, text) => sql`${column} = ${text}` },
    $is_not: { takes: 'text', test: (column, text) => sql`${column} is distinct from ${text}` },
    $in: { takes: 'texts', test: (column, texts) => sql`${column} = any(${texts}::text[])` },
    $not_in: { takes: 'texts', test: (column, texts) => sql`(${column} = any(${texts}::text[])) is not true` },
    $contains: { takes: 'text', test: (column, text) => sql`strpos(${column}, ${text}) > 0` },
    $not_contain: { takes: 'text', test: (column, text) => sql`(strpos(${column}, ${text}) > 0) is not true` },
    $starts_with: { takes: 'text', test: (column, text) => sql`starts_with(${column}, ${text})` },
    $ends_with: { takes: 'text', test: (column, text) => sql`right(${column}, length(${text}::text)) = ${text}` },
    ...settled,
  },
  moment: {
    $before: { takes: 'moment', test: (column, moment) => sql`${column} < ${moment}` },
    $after: { takes: 'moment', test: (column, moment) => sql`${column} > ${moment}` },
    ...settled,
  },
};

/** What holds for the rows that pass; every row passes where there are no conditions. */
export function passing({ junction, filters }: Filters): RawBuilder<boolean> {
  if (filters.length === 0) return sql<boolean>`true`;
  const tests = filters.map(({ field, condition, value }) => condition.test(sql.ref(field.column), value));
  return sql<boolean>`(${sql.join(tests, junction === 'AND' ? sql` and ` : sql` or `)})`;
}
