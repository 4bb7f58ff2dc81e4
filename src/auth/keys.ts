import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import type { Database } from '../db/client.ts';
import { hashAppToken } from './authenticate.ts';

export interface KeyPair {
  readonly appId: string;
  readonly appToken: string;
}

/** A new random key pair, of no project yet. */
export function makeUpKeyPair(): KeyPair {
  return { appId: `app_${randomBytes(12).toString('hex')}`, appToken: randomBytes(32).toString('base64url') };
}

/** Gives a key pair to a project; its token is stored as a hash alone. */
export async function addKey(db: Database, projectId: string, { appId, appToken }: KeyPair): Promise<void> {
  const key = { app_id: appId, project_id: projectId, token_hash: hashAppToken(appToken), revoked_at: null };
  await db.insertInto('api_keys').values(key).execute();
}

/** Ends a key pair for good, and with it its tokens. Returns since when, the same when it is repeated; undefined when there
 *  is no such key. */
export async function revokeKey(db: Database, appId: string): Promise<Date | undefined> {
  const key = await db
    .updateTable('api_keys')
    .set({ revoked_at: sql<Date>`coalesce(revoked_at, now())` })
    .where('app_id', '=', appId)
    .returning('revoked_at')
    .executeTakeFirst();
  return key?.revoked_at ?? undefined;
}
