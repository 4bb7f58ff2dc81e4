import { sql } from 'kysely';
import type { Database } from '../db/client.ts';

/** The versions of these tasks, whatever their project: a look at thousands of them that costs little when few have changed. */
export async function readVersions(
  db: Database,
  ids: readonly string[],
): Promise<{ readonly id: string; readonly version: number }[]> {
  return db
    .selectFrom('tasks')
    .select(['id', 'version'])
    .where('id', '=', sql<string>`any(${ids as string[]})`)
    .execute();
}
