import { type RawBuilder, sql } from 'kysely';
import type { Tx } from '../db/client.ts';
import type { JsonObject } from '../db/tables.ts';
import { isStorable } from './input.ts';
import type { ImportedRecords, RecordKind } from './operation.ts';

/** The SQL on records whose kind an operation tells. */

export interface FoundRecord {
  readonly id: string;
  readonly key: string | null;
  /** Another one after every change. */
  readonly place: string;
  readonly createdAt: Date;
  readonly createdByTask: string | null;
}

/** Longer names no record can have. */
const maxNameCharacters = 255;

/** Reads the names of an item's record. */
export function namesIn(records: ImportedRecords, parameters: JsonObject): (item: unknown) => readonly string[] {
  const read = records.names(parameters);
  return (item) => read.of(item).filter((name): name is string => canBeName(name));
}

function canBeName(name: string | null | undefined): boolean {
  return !!name && name.length <= maxNameCharacters && isStorable(name);
}

/** Looks for the project's records of these names, in the order of their ids, and returns how to get one by the names of an item. */
export async function findRecords(
  tx: Tx,
  projectId: string,
  kind: RecordKind,
  names: readonly string[],
  options: { readonly lock?: boolean } = {},
): Promise<(names: readonly string[]) => FoundRecord | undefined> {
  if (names.length === 0) return () => undefined;
  const { rows } = await sql<FoundRecord>`
    select id, ${sql.ref(kind.key)} as key, ctid::text as place, created_at as "createdAt", created_by_task as "createdByTask"
    from ${sql.table(kind.table)} where project_id = ${projectId}::uuid and ${named(kind, names)}
    order by id ${options.lock ? sql`for update` : sql``}`.execute(tx);
  const byKey = new Map(rows.map((row) => [row.key, row]));
  const byId = new Map(kind.hasIds ? rows.map((row) => [row.id, row]) : []);
  return (wanted) => {
    const name = wanted.find((one) => byId.has(one) || byKey.has(one));
    return name === undefined ? undefined : (byId.get(name) ?? byKey.get(name));
  };
}

/** These records as they are, by the names under which they are asked for. */
export async function readImages(
  tx: Tx,
  projectId: string,
  kind: RecordKind,
  names: readonly string[],
): Promise<{ name: string; image: string }[]> {
  const wanted = new Set(names);
  const { rows } = await sql<{ id: string; key: string; image: string }>`
    select id, ${sql.ref(kind.key)} as key, to_jsonb(r)::text as image
    from ${sql.table(kind.table)} as r where project_id = ${projectId}::uuid and ${named(kind, names)}`.execute(tx);
  return rows.map(({ id, key, image }) => ({ name: kind.hasIds && wanted.has(id) ? id : key, image }));
}

/** Brings records to what their images say, and returns how many it had to make. */
export async function writeImages(tx: Tx, kind: RecordKind, images: RawBuilder<unknown>): Promise<number> {
  const table = sql.table(kind.table);
  const { rows: columns } = await sql<{ name: string }>`
    select attname as name from pg_attribute
    where attrelid = ${kind.table}::regclass and attnum > 0 and not attisdropped and attname <> 'id'`.execute(tx);
  const rows = sql`(${images}) as given, jsonb_populate_record(null::${table}, given.record) as r`;
  const given = columns.map(({ name }) => sql.ref(`r.${name}`));
  await sql`
    update ${table} as t set (${sql.join(columns.map(({ name }) => sql.ref(name)))}) = row(${sql.join(given)})
    from ${rows} where t.id = r.id`.execute(tx);
  const { rows: made } = await sql`
    insert into ${table} select r.* from ${rows} where not exists (select from ${table} as t where t.id = r.id)
    on conflict do nothing returning id`.execute(tx);
  return made.length;
}

/** A select of `name` and of what each comes to: the id of the record that has it, where items may tell ids, else the name. */
export function settledNames(
  kind: RecordKind,
  projectId: string,
  names: RawBuilder<unknown>,
): RawBuilder<{ name: string }> {
  if (!kind.hasIds) return sql`select given.name from ${names} as given`;
  const table = sql.table(kind.table);
  return sql`
    select coalesce(by_id.id, by_key.id, given.name) as name from ${names} as given
    left join ${table} as by_id on by_id.project_id = ${projectId}::uuid and by_id.id = given.name
    left join ${table} as by_key on by_key.project_id = ${projectId}::uuid and by_key.${sql.ref(kind.key)} = given.name`;
}

function named(kind: RecordKind, names: readonly string[]): RawBuilder<boolean> {
  const byKey = sql<boolean>`${sql.ref(kind.key)} = any(${names}::text[])`;
  return kind.hasIds ? sql`(${byKey} or id = any(${names}::text[]))` : byKey;
}
