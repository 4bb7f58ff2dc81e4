import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { EmbeddedLog } from './embedded-log.ts';

export interface Postmaster {
  readonly pid: number;
  /** `starting`, `ready`, `stopping`, … */
  readonly status: string;
  /** Where it listens, once it is ready. */
  readonly port: number;
}

const fastStopMs = 30_000;
const immediateStopMs = 10_000;

/** What `postmaster.pid` of a cluster says, if it is there; the process may have died since. */
export async function readPostmaster(dataPath: string): Promise<Postmaster | undefined> {
  const lines = (await readPidFile(dataPath)).split('\n');
  const pid = Number(lines[0]);
  return pid > 0 ? { pid, status: lines[7]?.trim() ?? '', port: Number(lines[3]) } : undefined;
}

/**
 * Ends the server that a killed bulkcast left running on this cluster. The caller owns the cluster, so whatever still runs
 * there has no owner.
 */
export async function stopLeftServer(dataPath: string, log: EmbeddedLog): Promise<void> {
  const postmaster = await readPostmaster(dataPath);
  if (postmaster === undefined) return;
  if (!(await isPostmaster(postmaster.pid, dataPath))) {
    await disown(dataPath);
    return;
  }
  log('postgres.left', { pid: postmaster.pid });
  for (const [signal, timeoutMs] of [
    ['SIGINT', fastStopMs],
    ['SIGQUIT', immediateStopMs],
  ] as const) {
    signalIfAlive(postmaster.pid, signal);
    const deadline = performance.now() + timeoutMs;
    while (performance.now() < deadline) {
      if (!(await isPostmaster(postmaster.pid, dataPath))) return;
      await delay(25);
    }
  }
  throw new Error(
    `a Postgres (pid ${postmaster.pid}) left by a killed bulkcast does not stop: end it with "kill -9 ${postmaster.pid}"`,
  );
}

async function readPidFile(dataPath: string): Promise<string> {
  return readFile(join(dataPath, 'postmaster.pid'), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
}

// Postgres takes the file for a living server's while any process of its user has that id, even a zombie. An id that no
// system gives out says that the server is dead, and leaves the check for living backends (the shared memory key further
// down in the file) to Postgres; without the file it would be left out.
async function disown(dataPath: string): Promise<void> {
  const lines = (await readPidFile(dataPath)).split('\n');
  if (lines.length > 1) await writeFile(join(dataPath, 'postmaster.pid'), ['2147483647', ...lines.slice(1)].join('\n'));
}

/** Whether the process of this id is the server of this cluster: an id may have been used again, and a zombie has no command
 *  line. */
export async function isPostmaster(pid: number, dataPath: string): Promise<boolean> {
  return (await readCommand(pid)).includes(`postgres -D ${dataPath} -c `);
}

async function readCommand(pid: number): Promise<string> {
  if (process.platform === 'linux')
    return readFile(`/proc/${pid}/cmdline`, 'utf8').then(
      (words) => words.replaceAll('\0', ' '),
      () => '',
    );
  return promisify(execFile)('/bin/ps', ['-ww', '-o', 'command=', '-p', String(pid)]).then(
    ({ stdout }) => stdout,
    () => '',
  );
}

function signalIfAlive(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
