import { sql } from 'kysely';
import type { Database } from '../db/client.ts';

/** OAuth tokens of one project that live at a time (contract of the async actions, section 7). */
export const maxLivingTokens = 1_000;

/** Takes a place among the project's living tokens for one that ends at `expiresAt`. When none is free, returns in how many
 *  seconds the next one will be. */
export async function reserveToken(db: Database, projectId: string, expiresAt: Date): Promise<number | undefined> {
  return db.transaction().execute(async (tx) => {
    // Two requests for the last place wait for each other here.
    await tx.selectFrom('projects').select('id').where('id', '=', projectId).forNoKeyUpdate().execute();
    const { rows } = await sql<{ count: number; seconds: number }>`
      with expired as (
        delete from oauth_tokens where project_id = ${projectId} and expires_at <= clock_timestamp()
      )
      select count(*), greatest(1, ceil(extract(epoch from min(expires_at) - clock_timestamp())))::integer as seconds
      from oauth_tokens where project_id = ${projectId} and expires_at > clock_timestamp()`.execute(tx);
    const [living] = rows;
    if (living !== undefined && living.count >= maxLivingTokens) return living.seconds;
    await tx.insertInto('oauth_tokens').values({ project_id: projectId, expires_at: expiresAt }).execute();
    return undefined;
  });
}
