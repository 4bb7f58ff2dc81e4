import { sql } from 'kysely';
import type { Database } from '../../src/db/client.ts';

/** Lets the time pass for which jobs wait to be tried again. */
export async function endBackoff(db: Database): Promise<void> {
  await sql`update pgboss.job set start_after = now() where state = 'retry' and start_after > now()`.execute(db);
}
