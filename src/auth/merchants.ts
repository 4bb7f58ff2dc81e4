import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import type { Database } from '../db/client.ts';
import { hashPassword, isPassword } from './passwords.ts';

export interface Login {
  readonly username: string;
  readonly password: string;
}

/** A new random login, of no project yet. */
export function makeUpLogin(): Login {
  return { username: `merchant-${randomBytes(4).toString('hex')}`, password: randomBytes(18).toString('base64url') };
}

/** Gives a merchant to a project; the password is stored as a hash alone. */
export async function addMerchant(db: Database, projectId: string, { username, password }: Login): Promise<void> {
  const merchant = { username, project_id: projectId, password_hash: await hashPassword(password) };
  await db.insertInto('merchants').values(merchant).execute();
}

/** Refuses a merchant's sign-ins and tokens for good. Returns since when, the same when it is repeated; undefined when there
 *  is no such merchant. */
export async function disableMerchant(db: Database, username: string): Promise<Date | undefined> {
  const merchant = await db
    .updateTable('merchants')
    .set({ disabled_at: sql<Date>`coalesce(disabled_at, now())` })
    .where('username', '=', username)
    .returning('disabled_at')
    .executeTakeFirst();
  return merchant?.disabled_at ?? undefined;
}

/** Checked against when the user is unknown, so that the answer takes as long as for a known one. */
let nobodysHash: Promise<string> | undefined;

/** The project of a merchant's login; undefined when the user or the password is wrong, or the merchant disabled. */
export async function findMerchant(
  db: Database,
  username: string,
  password: string,
): Promise<{ projectId: string } | undefined> {
  const merchant = await db
    .selectFrom('merchants')
    .select(['project_id', 'password_hash'])
    .where('username', '=', username)
    .where('disabled_at', 'is', null)
    .executeTakeFirst();
  nobodysHash ??= hashPassword(randomBytes(16).toString('hex'));
  const isRight = await isPassword(password, merchant?.password_hash ?? (await nobodysHash));
  return merchant !== undefined && isRight ? { projectId: merchant.project_id } : undefined;
}
