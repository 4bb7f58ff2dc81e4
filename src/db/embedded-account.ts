import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

/** The ids that Postgres runs under; null is the user of this process. */
export type Account = { readonly uid: number; readonly gid: number } | null;

/** All that the programs of Postgres see of an environment: nothing of ours can change what they do. */
export const postgresEnvironment = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' } as const;

/** Root gets an unprivileged account, as Postgres refuses to run as root; everyone else is their own. */
export async function chooseAccount(): Promise<Account> {
  if (process.getuid?.() !== 0) return null;
  const passwd = await readFile('/etc/passwd', 'utf8');
  for (const name of ['nobody', 'daemon']) {
    const account = findAccount(passwd, name);
    if (account !== null && (await runsAs(account))) return account;
  }
  throw new Error(
    'Postgres refuses to run as root, and neither "nobody" nor "daemon" can be used instead: ' +
      'run bulkcast as an ordinary user, or set DATABASE_URL',
  );
}

/** Runs a program to its end as that account; throws with what it printed when it fails or takes too long. */
export async function runAs(account: Account, file: string, args: readonly string[], timeoutMs: number): Promise<void> {
  const options = {
    cwd: '/',
    env: postgresEnvironment,
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    ...account,
  } as const;
  try {
    await promisify(execFile)(file, args, options);
  } catch (error) {
    const printed = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
    const reason = error instanceof Error && 'killed' in error && error.killed ? `took over ${timeoutMs} ms` : 'failed';
    throw new Error(`${file} ${reason}: ${printed || String(error)}`, { cause: error });
  }
}

function findAccount(passwd: string, name: string): Account {
  const fields = passwd
    .split('\n')
    .find((line) => line.startsWith(`${name}:`))
    ?.split(':');
  const uid = Number(fields?.[2]);
  const gid = Number(fields?.[3]);
  return uid > 0 && gid > 0 ? { uid, gid } : null;
}

// In a container with few mapped ids the entry may be there and yet be of no use.
async function runsAs(account: Account): Promise<boolean> {
  return runAs(account, '/bin/sh', ['-c', ':'], 10_000).then(
    () => true,
    () => false,
  );
}
