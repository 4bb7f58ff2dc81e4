import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import type { Database } from '../db/client.ts';
import { hashAppToken } from './authenticate.ts';
import { hashPassword, isPassword } from './passwords.ts';

/** The credentials of one project: its key pair, its merchant's login and its gift-card program. */
export interface ProjectCredentials {
  readonly appId: string;
  readonly appToken: string;
  readonly username: string;
  readonly password: string;
  readonly programId: string;
}

/** Creates the first project of an empty database; does nothing when there is one. True when it created it. */
export async function bootstrapProject(db: Database, credentials: ProjectCredentials): Promise<boolean> {
  return db.transaction().execute(async (tx) => {
    // Two processes that start at once must not both find the table empty.
    await sql`lock table projects in share row exclusive mode`.execute(tx);
    if (await hasProject(tx)) return false;
    await createProject(tx, 'First project', credentials);
    return true;
  });
}

export async function hasProject(db: Database): Promise<boolean> {
  const any = await db.selectFrom('projects').select('id').limit(1).executeTakeFirst();
  return any !== undefined;
}

/** Creates a project with a key pair, a merchant and a program in USD; returns the project's id. */
export async function createProject(db: Database, name: string, credentials: ProjectCredentials): Promise<string> {
  const { id } = await db.insertInto('projects').values({ name }).returning('id').executeTakeFirstOrThrow();
  await db
    .insertInto('api_keys')
    .values({
      app_id: credentials.appId,
      project_id: id,
      token_hash: hashAppToken(credentials.appToken),
      revoked_at: null,
    })
    .execute();
  await db
    .insertInto('merchants')
    .values({
      username: credentials.username,
      project_id: id,
      password_hash: await hashPassword(credentials.password),
    })
    .execute();
  await db
    .insertInto('gift_card_programs')
    .values({ id: credentials.programId, project_id: id, name: 'Gift cards', currency: 'USD' })
    .execute();
  return id;
}

/** New random credentials, for the embedded default and for tests. */
export function makeUpCredentials(): ProjectCredentials {
  return {
    appId: `app_${randomBytes(12).toString('hex')}`,
    appToken: randomBytes(32).toString('base64url'),
    username: `merchant-${randomBytes(4).toString('hex')}`,
    password: randomBytes(18).toString('base64url'),
    programId: randomBytes(12).toString('hex'),
  };
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
