import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import type { Database } from '../db/client.ts';
import { addKey, type KeyPair, makeUpKeyPair } from './keys.ts';
import { addMerchant, type Login, makeUpLogin } from './merchants.ts';

/** The credentials of one project: its key pair, its merchant's login and its gift-card program. */
export interface ProjectCredentials extends KeyPair, Login {
  readonly programId: string;
}

/** A project, with who can call for it. */
export interface ProjectOverview {
  readonly id: string;
  readonly name: string;
  readonly keys: readonly { readonly appId: string; readonly revokedAt: Date | null }[];
  readonly merchants: readonly { readonly username: string; readonly disabledAt: Date | null }[];
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
  await addKey(db, id, credentials);
  await addMerchant(db, id, credentials);
  await db
    .insertInto('gift_card_programs')
    .values({ id: credentials.programId, project_id: id, name: 'Gift cards', currency: 'USD' })
    .execute();
  return id;
}

/** All projects, oldest first, with their keys and merchants, also those that are revoked or disabled. */
export async function listProjects(db: Database): Promise<ProjectOverview[]> {
  const projects = await db.selectFrom('projects').select(['id', 'name']).orderBy('created_at').orderBy('id').execute();
  const keys = await db
    .selectFrom('api_keys')
    .select(['project_id', 'app_id as appId', 'revoked_at as revokedAt'])
    .orderBy('created_at')
    .execute();
  const merchants = await db
    .selectFrom('merchants')
    .select(['project_id', 'username', 'disabled_at as disabledAt'])
    .orderBy('created_at')
    .execute();
  const keysOf = Map.groupBy(keys, (key) => key.project_id);
  const merchantsOf = Map.groupBy(merchants, (merchant) => merchant.project_id);
  return projects.map((project) => ({
    ...project,
    keys: keysOf.get(project.id) ?? [],
    merchants: merchantsOf.get(project.id) ?? [],
  }));
}

/** New random credentials, for the embedded default, for projects that are added and for tests. */
export function makeUpCredentials(): ProjectCredentials {
  return { ...makeUpKeyPair(), ...makeUpLogin(), programId: randomBytes(12).toString('hex') };
}
