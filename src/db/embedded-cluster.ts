import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chown, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Account, runAs } from './embedded-account.ts';
import type { Binaries } from './embedded-binaries.ts';
import type { EmbeddedLog } from './embedded-log.ts';

export interface Cluster {
  readonly dataPath: string;
  readonly user: string;
  readonly password: string;
}

/** The one of the cluster that bulkcast uses. */
export const database = 'bulkcast';
const user = 'bulkcast';

/** Holds the password: never log it. */
export function clusterUrl(cluster: Cluster, port: number, name: string): string {
  return `postgres://${cluster.user}:${cluster.password}@127.0.0.1:${port}/${name}`;
}

/** The cluster of this home with its password, if it is there. */
export async function findCluster(home: string): Promise<Cluster | undefined> {
  const dataPath = join(home, 'data');
  if (!existsSync(dataPath)) return undefined;
  return { dataPath, user, password: (await readFile(passwordPathOf(home), 'utf8')).trim() };
}

function passwordPathOf(home: string): string {
  return join(home, 'password');
}

/** The cluster of this home with its random password; makes both when they are not there, wholly or not at all. */
export async function ensureCluster(deps: {
  readonly home: string;
  readonly account: Account;
  readonly binaries: Binaries;
  readonly log: EmbeddedLog;
}): Promise<Cluster> {
  const dataPath = join(deps.home, 'data');
  const passwordPath = passwordPathOf(deps.home);
  if (!existsSync(dataPath)) {
    await removeUnfinished(deps.home);
    const startedAt = performance.now();
    await createCluster({ ...deps, dataPath, passwordPath });
    deps.log('postgres.created', { home: deps.home, ms: Math.round(performance.now() - startedAt) });
  }
  return { dataPath, user, password: (await readFile(passwordPath, 'utf8')).trim() };
}

async function createCluster(deps: {
  readonly home: string;
  readonly account: Account;
  readonly binaries: Binaries;
  readonly dataPath: string;
  readonly passwordPath: string;
}): Promise<void> {
  const password = `${randomBytes(24).toString('hex')}\n`;
  const scratch = await mkdtemp(join(deps.home, 'initdb-'));
  const givenPassword = join(scratch, 'password');
  await writeFile(givenPassword, password, { mode: 0o600 });
  if (deps.account !== null) {
    await chown(givenPassword, deps.account.uid, deps.account.gid);
    await chown(scratch, deps.account.uid, deps.account.gid);
  }
  try {
    const args = [`--pgdata=${join(scratch, 'data')}`, `--pwfile=${givenPassword}`, ...initdbArgs];
    await runAs(deps.account, deps.binaries.initdb, args, 180_000);
    // Before the cluster: a cluster without its password would be lost, a password without its cluster is made anew.
    await writeFile(deps.passwordPath, password, { mode: 0o600, flush: true });
    await rename(join(scratch, 'data'), deps.dataPath);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

// Order by code point and Unicode's own upper and lower case, on every system alike.
const initdbArgs = [
  `--username=${user}`,
  '--auth=scram-sha-256',
  '--encoding=UTF8',
  '--locale=C',
  '--locale-provider=builtin',
  '--builtin-locale=C.UTF-8',
];

async function removeUnfinished(home: string): Promise<void> {
  for (const name of await readdir(home)) {
    if (name.startsWith('initdb-')) await rm(join(home, name), { recursive: true, force: true });
  }
}
