import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, chown, lstat, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Account, runAs } from './embedded-account.ts';
import { lockDirectory } from './embedded-lock.ts';

export interface Place {
  /** Directory of this process's user that the account can pass through; holds the cluster. */
  readonly home: string;
  /** Makes the directory for copies of the binaries that the account can read. */
  makeBinariesDir(): Promise<string>;
  /** Lets another process take the place. */
  release(): void;
}

/**
 * Finds, and takes for this process alone, the directory of the cluster: `<dataDir>/postgres`, unless the account cannot
 * get there or cannot own files there (below root's home, on some mounts); then a directory outside, which the file
 * `<dataDir>/postgres/home` names from then on. Throws when another live process has it.
 */
export async function takePlace(dataDir: string, account: Account): Promise<Place> {
  await mkdir(dataDir, { recursive: true });
  const inside = join(await realpath(dataDir), 'postgres');
  await ensureOwnDirectory(inside, account);
  const lock = lockDirectory(inside, dataDir);
  try {
    const home = await chooseHome(inside, account);
    // A copied data directory names the home of its original.
    const homeLock = home === inside ? lock : lockDirectory(home, dataDir);
    const makeBinariesDir = async () => {
      const path = join(account === null ? home : await sharedBase(account), 'binaries');
      await ensureOwnDirectory(path, account);
      return path;
    };
    const release = () => {
      homeLock.release();
      lock.release();
    };
    return { home, makeBinariesDir, release };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** The directory of the cluster of this data directory, if it has one. */
export async function findHome(dataDir: string): Promise<string | undefined> {
  if (!existsSync(dataDir)) return undefined;
  const inside = join(await realpath(dataDir), 'postgres');
  return (await readPointer(inside)) ?? inside;
}

/** The directory outside that holds the cluster, if there is one. */
async function readPointer(inside: string): Promise<string | undefined> {
  const pointer = join(inside, pointerName);
  const named = existsSync(pointer) ? (await readFile(pointer, 'utf8')).trim() : '';
  return named !== '' && existsSync(named) ? named : undefined;
}

const pointerName = 'home';

async function chooseHome(inside: string, account: Account): Promise<string> {
  const named = await readPointer(inside);
  if (named !== undefined) {
    await ensureOwnDirectory(named, account);
    return named;
  }
  // A cluster that is already there is never left behind because of a full disk or the like.
  if (account === null || existsSync(join(inside, 'data')) || (await canHoldFiles(inside, account))) return inside;
  const clusters = join(await sharedBase(account), 'clusters');
  await ensureOwnDirectory(clusters, account);
  const home = join(clusters, randomBytes(8).toString('hex'));
  await ensureOwnDirectory(home, account);
  await writeFile(join(inside, pointerName), `${home}\n`, { mode: 0o600, flush: true });
  return home;
}

// Not under /tmp or /var/tmp first: there many systems delete what has not been touched for some days, which would eat
// single files of the cluster.
async function sharedBase(account: NonNullable<Account>): Promise<string> {
  const problems: unknown[] = [];
  for (const base of ['/var/lib/bulkcast', '/var/tmp/bulkcast']) {
    try {
      await ensureOwnDirectory(base, account);
      if (await canHoldFiles(base, account)) return base;
      problems.push(new Error(`user ${account.uid} cannot keep files in ${base}`));
    } catch (error) {
      problems.push(error);
    }
  }
  throw new AggregateError(problems, `no place for Postgres outside the data directory: ${problems.join('; ')}`);
}

// Whoever made the directory first could swap files under us, so only our own will do.
async function ensureOwnDirectory(path: string, account: Account): Promise<void> {
  await mkdir(path, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  const found = await lstat(path);
  const uid = process.getuid?.();
  if (!found.isDirectory()) throw new Error(`${path} is in the way of the embedded Postgres: expected a directory`);
  if (found.uid !== uid) {
    throw new Error(
      `${path} belongs to the user with id ${found.uid}, and this is user ${uid}: ` +
        'run bulkcast as that user, or set BULKCAST_DATA_DIR to another directory',
    );
  }
  await chmod(path, account === null ? 0o700 : 0o711);
}

async function canHoldFiles(path: string, account: NonNullable<Account>): Promise<boolean> {
  const probe = await mkdtemp(join(path, 'probe-'));
  try {
    await chown(probe, account.uid, account.gid);
    await runAs(account, '/bin/sh', ['-c', 'cd "$0" && : >file', probe], 10_000);
    return true;
  } catch {
    return false;
  } finally {
    await rm(probe, { recursive: true, force: true });
  }
}
