import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { atEndOfFile } from './at-end.ts';

export interface TestDatabase {
  readonly url: string;
  /** Drops it now, connections or not; may be called twice. */
  drop(): Promise<void>;
}

/**
 * A fresh clone of this run's migrated template for one test file. It is dropped when the file is through; when one of
 * its tests failed, it is kept and its name printed.
 */
export async function createDatabase(): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  const url = new URL(inject('databaseUrl'));
  const template = url.pathname.slice(1);
  url.pathname = `/${name}`;
  await maintain(`create database ${name} template ${template}`);
  let isThere = true;
  const drop = async () => {
    if (isThere) await maintain(`drop database if exists ${name} with (force)`);
    isThere = false;
  };
  atEndOfFile(async ({ hasFailed }) => {
    if (!hasFailed) return drop();
    if (isThere) console.error(`a test failed; its database is kept: ${name}`);
  });
  return { url: url.href, drop };
}

async function maintain(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: inject('maintenanceUrl') });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
