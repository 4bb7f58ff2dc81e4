import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dumpSchema } from './db/dump.ts';
import { startEmbeddedPostgres } from './db/embedded.ts';
import { migrate } from './db/migrate.ts';
import { printedSchema } from './graphql/print.ts';
import { printedOpenApi } from './rest/openapi.ts';

const directory = new URL('../schema/', import.meta.url);

/** Prints the contracts that outlive a process into schema/, or with `check` leaves them. Returns the names of those that
 *  were out of date. */
export async function writeContracts(options: { readonly check: boolean }): Promise<string[]> {
  const contracts = {
    'schema.graphql': printedSchema(),
    'rest.openapi.json': printedOpenApi(),
    'database.sql': await printedDatabase(),
  };
  const stale: string[] = [];
  for (const [name, text] of Object.entries(contracts)) {
    const path = new URL(name, directory);
    const before = await readFile(path, 'utf8').catch(() => '');
    if (before === text) continue;
    if (options.check) stale.push(`schema/${name}`);
    else await writeFile(path, text);
  }
  return stale;
}

async function printedDatabase(): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'bulkcast-schema-'));
  try {
    const postgres = await startEmbeddedPostgres({ dataDir, log: () => {} });
    try {
      await migrate(postgres.url);
      return await dumpSchema(postgres.url);
    } finally {
      await postgres.stop();
    }
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}
