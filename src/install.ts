import { findPendingMigrations, migrate } from './db/migrate.ts';
import type { Log } from './log.ts';
import { openJobs } from './tasks/jobs.ts';

/** Brings a database to what this release needs: our schema and the job engine's. Run again, it does nothing. */
export async function install(databaseUrl: string, log: Log): Promise<void> {
  for (const name of await migrate(databaseUrl)) log.info('database.migrated', { migration: name });
  const jobs = await openJobs({ databaseUrl, role: 'gateway', slots: 0, log });
  await jobs.stop(1000);
}

/** Throws unless `install` has been run by this release. */
export async function checkInstalled(databaseUrl: string): Promise<void> {
  const pending = await findPendingMigrations(databaseUrl);
  if (pending.length === 0) return;
  throw new Error(`the database lacks ${pending.join(', ')}: run \`npm run migrate\` with the same DATABASE_URL first`);
}
