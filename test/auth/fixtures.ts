import { sql } from 'kysely';
import { type Auth, openAuth } from '../../src/auth/auth.ts';
import { createProject, makeUpCredentials, type ProjectCredentials } from '../../src/auth/projects.ts';
import { type Database, openDatabase } from '../../src/db/client.ts';
import { createLog } from '../../src/log.ts';
import { atEndOfFile } from '../support/at-end.ts';
import { createDatabase } from '../support/database.ts';
import { secret } from '../support/gateway.ts';

export interface TestAuth {
  readonly projectId: string;
  readonly project: ProjectCredentials;
  /** What a gateway knows of credentials; it counts in `queries` how often it asked the database. */
  open(maxAgeMs: number): Auth;
  readonly queries: { count: number };
  revokeKey(appId?: string): Promise<void>;
  disableMerchant(username?: string): Promise<void>;
}

const log = createLog('silent');

/** A database of its own, until the end of the file. */
export async function openTestDatabase(): Promise<Database> {
  const { url } = await createDatabase();
  const client = openDatabase({ url, maxConnections: 4, applicationName: 'test auth', log });
  atEndOfFile(() => client.stop());
  return client.db;
}

/** A new project. */
export async function openTestAuth(db: Database): Promise<TestAuth> {
  const project = makeUpCredentials();
  const projectId = await createProject(db, 'Test project', project);
  const queries = { count: 0 };
  const counted = db.withPlugin({
    transformQuery: ({ node }) => {
      queries.count += 1;
      return node;
    },
    transformResult: async ({ result }) => result,
  });
  return {
    projectId,
    project,
    queries,
    open(maxAgeMs) {
      const auth = openAuth({ db: counted, log, secret, maxAgeMs });
      atEndOfFile(() => auth.stop());
      return auth;
    },
    revokeKey: (appId = project.appId) => revokeKey(db, appId),
    disableMerchant: (username = project.username) => disableMerchant(db, username),
  };
}

async function revokeKey(db: Database, appId: string): Promise<void> {
  await sql`update api_keys set revoked_at = now() where app_id = ${appId}`.execute(db);
}

async function disableMerchant(db: Database, username: string): Promise<void> {
  await sql`update merchants set disabled_at = now() where username = ${username}`.execute(db);
}
