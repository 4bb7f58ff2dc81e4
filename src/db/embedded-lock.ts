import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/**
 * Takes a directory for this process alone, or throws naming the process that has it. The kernel holds the lock (SQLite's,
 * on the empty file `owner.lock`) and frees it when the process dies, however it dies: a lock cannot be stale, and a
 * process id that is used again, or means another process in a second container, cannot lie.
 */
export function lockDirectory(path: string, dataDir: string): { release(): void } {
  const lockPath = join(path, 'owner.lock');
  const lock = new DatabaseSync(lockPath, { timeout: 0 });
  // Not by opening it: the kernel frees the lock when the process closes any descriptor of the file.
  chmodSync(lockPath, 0o600);
  const pidPath = join(path, 'owner.pid');
  try {
    lock.exec('pragma journal_mode = memory; begin exclusive');
  } catch (error) {
    lock.close();
    const isLocked = error instanceof Error && 'errcode' in error && error.errcode === 5;
    if (!isLocked) throw new Error(`cannot lock ${path}: ${error}`, { cause: error });
    throw new Error(
      `another bulkcast (pid ${readPid(pidPath)}) is running on the data directory ${dataDir}: stop it, ` +
        'or set BULKCAST_DATA_DIR to another directory, or give both one DATABASE_URL',
      { cause: error },
    );
  }
  writeFileSync(pidPath, `${process.pid}\n`, { mode: 0o600 });
  let isHeld = true;
  const release = () => {
    if (isHeld) lock.close();
    isHeld = false;
  };
  return { release };
}

// The owner writes it just after it has the lock; until then it is the last owner's, or not there.
function readPid(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return 'unknown';
  }
}
