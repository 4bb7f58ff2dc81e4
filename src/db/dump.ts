import pg from 'pg';

/** The schema `public` of a database as SQL text, in a stable order: what schema/database.sql holds. It is for reading and for
 *  comparing; databases are made by the migrations. */
export async function dumpSchema(databaseUrl: string): Promise<string> {
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    const statements: string[] = [];
    for (const query of [tables, indexes, functions, triggers]) {
      const { rows } = await client.query<{ statement: string }>(query);
      statements.push(...rows.map((row) => row.statement));
    }
    return `-- The schema after all migrations, printed by \`npm run schema\`. Do not edit.\n\n${statements.join('\n\n')}\n`;
  } finally {
    await client.end();
  }
}

const tables = `
  select format(E'create table %s (\\n%s\\n);', c.relname, string_agg('  ' || line, E',\\n' order by sort, name)) as statement
  from pg_class c
  cross join lateral (
    select 1 as sort, lpad(a.attnum::text, 4, '0') as name, format('%s %s', a.attname, format_type(a.atttypid, a.atttypmod))
      || case when co.collname is null or co.collname = 'default' then '' else format(' collate "%s"', co.collname) end
      || case when a.attnotnull then ' not null' else '' end
      || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '') as line
    from pg_attribute a
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    left join pg_collation co on co.oid = a.attcollation
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    union all
    select 2, k.conname, format('constraint %s %s', k.conname, pg_get_constraintdef(k.oid))
    from pg_constraint k where k.conrelid = c.oid and k.contype <> 'n'
  ) lines
  where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
  group by c.relname order by c.relname`;

const indexes = `
  select pg_get_indexdef(i.indexrelid) || ';' as statement
  from pg_index i join pg_class c on c.oid = i.indexrelid
  where c.relnamespace = 'public'::regnamespace
    and not exists (select from pg_constraint k where k.conindid = i.indexrelid)
  order by c.relname`;

const functions = `
  select pg_get_functiondef(p.oid) || ';' as statement
  from pg_proc p where p.pronamespace = 'public'::regnamespace order by p.proname`;

const triggers = `
  select pg_get_triggerdef(t.oid) || ';' as statement
  from pg_trigger t join pg_class c on c.oid = t.tgrelid
  where c.relnamespace = 'public'::regnamespace and not t.tgisinternal order by t.tgname`;
