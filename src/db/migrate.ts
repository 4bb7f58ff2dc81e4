import { readdir, readFile } from 'node:fs/promises';
import pg from 'pg';

const directory = new URL('../../schema/migrations/', import.meta.url);
/** Any constant will do, as long as every bulkcast process uses the same: it makes migrations run one process at a time. */
const migrationLock = 4_801_627_511;
const connectTimeoutMs = 10_000;

/** Brings the database to the newest schema and returns the names of the migrations it ran; run again, it does nothing.
 *  Throws if the database has a migration that this release does not know. */
export async function migrate(databaseUrl: string): Promise<string[]> {
  return withClient(databaseUrl, async (client) => {
    await client.query('select pg_advisory_lock($1)', [migrationLock]);
    await client.query(
      'create table if not exists migrations (name text primary key, applied_at timestamptz not null default now())',
    );
    const pending = await comparePending(client);
    for (const name of pending) await applyMigration(client, name);
    return pending;
  });
}

/** The migrations that the database lacks; all of them where there is no schema yet. */
export async function findPendingMigrations(databaseUrl: string): Promise<string[]> {
  return withClient(databaseUrl, async (client) => {
    const { rows } = await client.query<{ name: string | null }>("select to_regclass('migrations') as name");
    return rows[0]?.name == null ? readNames() : comparePending(client);
  });
}

async function withClient<Result>(databaseUrl: string, use: (client: pg.Client) => Promise<Result>): Promise<Result> {
  const client = new pg.Client({
    connectionString: databaseUrl,
    application_name: 'bulkcast migrate',
    connectionTimeoutMillis: connectTimeoutMs,
  });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

async function readNames(): Promise<string[]> {
  return (await readdir(directory)).filter((name) => name.endsWith('.sql')).sort();
}

async function comparePending(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>('select name from migrations order by name');
  const names = await readNames();
  const unknown = rows.map((row) => row.name).filter((name) => !names.includes(name));
  if (unknown.length > 0) {
    throw new Error(`the database has migrations of a newer release (${unknown.join(', ')}): run that release instead`);
  }
  const done = new Set(rows.map((row) => row.name));
  return names.filter((name) => !done.has(name));
}

async function applyMigration(client: pg.Client, name: string): Promise<void> {
  const text = await readFile(new URL(name, directory), 'utf8');
  await client.query('begin');
  try {
    await client.query(text);
    await client.query('insert into migrations (name) values ($1)', [name]);
    await client.query('commit');
  } catch (cause) {
    await client.query('rollback');
    throw new Error(`migration ${name} failed`, { cause });
  }
}
