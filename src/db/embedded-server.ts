import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { type FileHandle, open, readFile, rename } from 'node:fs/promises';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { type Account, postgresEnvironment } from './embedded-account.ts';
import { readPostmaster, stopLeftServer } from './embedded-left.ts';
import type { EmbeddedLog } from './embedded-log.ts';

export interface ServerOptions {
  readonly postgres: string;
  readonly dataPath: string;
  readonly logPath: string;
  readonly account: Account;
  readonly log: EmbeddedLog;
  readonly settings: Readonly<Record<string, string>>;
  readonly signal: AbortSignal | undefined;
}

export interface Server {
  readonly port: number;
  readonly pid: number;
  /** Fast shutdown; after 5 s an immediate one, which costs a recovery at the next start. Throws if neither ends it. */
  stop(): Promise<void>;
}

const maxAttempts = 20;
const retryMs = 500;
// Replaying the write-ahead log after a crash counts as starting, and there may be some gigabytes of it.
const startTimeoutMs = 300_000;
const pollMs = 25;
const fastStopMs = 5_000;
const immediateStopMs = 10_000;

/** Starts Postgres on a free port and waits until it takes connections; first ends what a killed bulkcast left running. */
export async function startServer(options: ServerOptions): Promise<Server> {
  if (existsSync(options.logPath)) await rename(options.logPath, `${options.logPath}.previous`);
  await using output = await open(options.logPath, 'a', 0o600);
  for (let attempt = 1; ; attempt += 1) {
    await stopLeftServer(options.dataPath, options.log);
    const port = await findFreePort();
    const child = await spawnPostgres(options, port, output);
    if (await becomesReady(child, options)) return runningServer(child, port, options.log);
    const lines = await lastLines(options.logPath);
    if (attempt === maxAttempts || !passingProblem.test(lines)) {
      throw new Error(`the embedded Postgres did not start; the end of ${options.logPath}:\n${lines}`);
    }
    options.log('postgres.retried', { attempt, port });
    await delay(retryMs, undefined, { signal: options.signal });
  }
}

/** A TCP port of 127.0.0.1 that was free a moment ago. */
export async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('expected a TCP address');
  return address.port;
}

// Someone took the port first; a server left by a killed bulkcast was itself just starting; its last backends still run.
const passingProblem =
  /could not bind|could not create any TCP\/IP sockets|lock file "postmaster.pid" already exists|shared memory block/;

async function spawnPostgres(options: ServerOptions, port: number, output: FileHandle): Promise<ChildProcess> {
  const settings = Object.entries({ ...options.settings, port: String(port) });
  const child = spawn(
    options.postgres,
    ['-D', options.dataPath, ...settings.flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    // Its own session: the Ctrl-C of a terminal is for bulkcast, which still needs its database to stop.
    { cwd: '/', env: postgresEnvironment, detached: true, stdio: ['ignore', output.fd, output.fd], ...options.account },
  );
  await once(child, 'spawn');
  child.unref();
  return child;
}

async function becomesReady(child: ChildProcess, options: ServerOptions): Promise<boolean> {
  const deadline = performance.now() + startTimeoutMs;
  try {
    while (!hasExited(child)) {
      const postmaster = await readPostmaster(options.dataPath);
      if (postmaster?.pid === child.pid && postmaster?.status === 'ready') return true;
      if (performance.now() > deadline) {
        throw new Error(`the embedded Postgres was not ready after ${startTimeoutMs} ms; see ${options.logPath}`);
      }
      await delay(pollMs, undefined, { signal: options.signal });
    }
    return false;
  } catch (error) {
    await stopChild(child);
    throw error;
  }
}

function runningServer(child: ChildProcess, port: number, log: EmbeddedLog): Server {
  let isStopping = false;
  // A bulkcast that fails takes its database along; one that is killed leaves it for the next start to end.
  const endWithProcess = () => {
    child.kill('SIGINT');
  };
  process.once('exit', endWithProcess);
  child.once('exit', (code, signal) => {
    process.off('exit', endWithProcess);
    if (!isStopping) log('postgres.exited', { code, signal });
  });
  const stop = async () => {
    isStopping = true;
    const how = await stopChild(child);
    log('postgres.stopped', { how });
  };
  return { port, pid: child.pid ?? 0, stop };
}

async function stopChild(child: ChildProcess): Promise<'fast' | 'immediate'> {
  child.kill('SIGINT');
  if (await exitsWithin(child, fastStopMs)) return 'fast';
  child.kill('SIGQUIT');
  if (await exitsWithin(child, immediateStopMs)) return 'immediate';
  throw new Error(
    `the embedded Postgres (pid ${child.pid}) did not stop: end it by hand with "kill -QUIT ${child.pid}"`,
  );
}

async function exitsWithin(child: ChildProcess, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (!hasExited(child) && performance.now() < deadline) await delay(pollMs);
  return hasExited(child);
}

function hasExited(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

async function lastLines(path: string): Promise<string> {
  const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
  return lines.slice(-20).join('\n');
}
