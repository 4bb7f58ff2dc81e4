import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createProject, makeUpCredentials, type ProjectCredentials } from '../../src/auth/projects.ts';
import { openDatabase } from '../../src/db/client.ts';
import { startEmbeddedPostgres } from '../../src/db/embedded.ts';
import { install } from '../../src/install.ts';
import { createLog } from '../../src/log.ts';
import { readMemoryKiB } from './processor.ts';

export interface BenchDatabase extends AsyncDisposable {
  readonly url: string;
  readonly credentials: ProjectCredentials;
}

/** A fresh embedded Postgres with this release installed and one project. */
export async function openBenchDatabase(): Promise<BenchDatabase> {
  const log = createLog('warn');
  const dataDir = await mkdtemp(join(tmpdir(), 'bulkcast-bench-'));
  const postgres = await startEmbeddedPostgres({ dataDir, log: () => {} });
  await install(postgres.url, log);
  const client = openDatabase({ url: postgres.url, maxConnections: 2, applicationName: 'bench', log });
  const credentials = makeUpCredentials();
  await createProject(client.db, 'Bench', credentials);
  await client.stop();
  return {
    url: postgres.url,
    credentials,
    async [Symbol.asyncDispose]() {
      await postgres.stop();
      // Where root runs it, the data is elsewhere.
      await rm(postgres.home, { recursive: true, force: true });
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

export interface BenchService extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  /** Resident memory of the process now, and its largest so far, in MiB. */
  memory(): Promise<{ now: number; peak: number }>;
}

/** `bulkcast serve` as a process of its own. */
export async function startService(databaseUrl: string, settings: Record<string, string> = {}): Promise<BenchService> {
  return startServer([fileURLToPath(new URL('../../src/main.ts', import.meta.url)), 'serve'], {
    DATABASE_URL: databaseUrl,
    BULKCAST_SECRET: 'a secret that only this benchmark knows',
    PORT: '0',
    ...settings,
  });
}

/** Runs a script in a process of its own until it logs that it listens, with its `url`. */
export async function startServer(args: readonly string[], env: Record<string, string>): Promise<BenchService> {
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const end = () => child.kill('SIGKILL');
  process.once('exit', end);
  child.once('exit', () => process.off('exit', end));
  const url = await readUrl(child);
  const pid = child.pid ?? 0;
  return {
    url,
    pid,
    memory: async () => {
      const { now, peak } = await readMemoryKiB(pid);
      return { now: Math.round(now / 1024), peak: Math.round(peak / 1024) };
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    },
  };
}

async function readUrl(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('the service has no output');
  for await (const line of createInterface({ input: child.stdout })) {
    const entry: unknown = JSON.parse(line);
    if (typeof entry !== 'object' || entry === null || !('event' in entry) || !('url' in entry)) continue;
    if (entry.event !== 'gateway.listening' && entry.event !== 'health.listening') continue;
    child.stdout.resume();
    return String(entry.url);
  }
  throw new Error('the service ended before it listened');
}
