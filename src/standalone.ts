import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { makeUpCredentials, type ProjectCredentials } from './auth/projects.ts';
import type { Config } from './config.ts';
import { startEmbeddedPostgres } from './db/embedded.ts';
import type { Log } from './log.ts';

/** What a process without DATABASE_URL has in its data directory: a Postgres, a secret and the first project. */
export interface Standalone {
  readonly databaseUrl: string;
  readonly secret: string;
  readonly credentials: ProjectCredentials;
  readonly hasNewCredentials: boolean;
  stop(): Promise<void>;
}

const storedSecrets = z.object({
  secret: z.string().min(32),
  project: z.object({
    appId: z.string(),
    appToken: z.string(),
    username: z.string(),
    password: z.string(),
    programId: z.string(),
  }),
});

/** Starts the embedded Postgres of the data directory, which is made when missing. */
export async function openStandalone(config: Config, log: Log): Promise<Standalone> {
  const dataDir = config.BULKCAST_DATA_DIR;
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const postgres = await startEmbeddedPostgres({ dataDir, log: log.info });
  try {
    const { secrets, isNew } = await openSecrets(join(dataDir, 'secrets.json'), config);
    const { secret, project } = secrets;
    return {
      databaseUrl: postgres.url,
      secret: config.BULKCAST_SECRET ?? secret,
      credentials: project,
      hasNewCredentials: isNew,
      stop: () => postgres.stop(),
    };
  } catch (error) {
    await postgres.stop();
    throw error;
  }
}

/** Reads the secrets, or makes them up, taking from the settings what is given; only their owner can read the file. */
async function openSecrets(path: string, config: Config) {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text !== undefined) return { secrets: storedSecrets.parse(JSON.parse(text)), isNew: false };
  const madeUp = makeUpCredentials();
  const secrets = {
    secret: randomBytes(32).toString('base64url'),
    project: {
      appId: config.BULKCAST_BOOTSTRAP_APP_ID ?? madeUp.appId,
      appToken: config.BULKCAST_BOOTSTRAP_APP_TOKEN ?? madeUp.appToken,
      username: config.BULKCAST_BOOTSTRAP_USERNAME ?? madeUp.username,
      password: config.BULKCAST_BOOTSTRAP_PASSWORD ?? madeUp.password,
      programId: config.BULKCAST_BOOTSTRAP_PROGRAM_ID ?? madeUp.programId,
    },
  };
  await writeFile(`${path}.new`, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600 });
  await rename(`${path}.new`, path);
  return { secrets, isNew: true };
}
