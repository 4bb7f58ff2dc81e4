import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createProject, makeUpCredentials, type ProjectCredentials } from '../../src/auth/projects.ts';
import { openDatabase } from '../../src/db/client.ts';
import { startEmbeddedPostgres } from '../../src/db/embedded.ts';
import { install } from '../../src/install.ts';
import { createLog } from '../../src/log.ts';

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
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

export interface BenchService extends AsyncDisposable {
  readonly url: string;
  readonly child: ChildProcess;
  /** Resident memory of the process now, and its largest since `resetPeak`, in MiB. */
  memory(): Promise<{ now: number; peak: number }>;
}

/** `bulkcast serve` as a process of its own. */
export async function startService(databaseUrl: string, settings: Record<string, string> = {}): Promise<BenchService> {
  const child = spawn(process.execPath, [new URL('../../src/main.ts', import.meta.url).pathname, 'serve'], {
    env: {
      ...process.env,
      DATABASE_URL: databaseUrl,
      BULKCAST_SECRET: 'a secret that only this benchmark knows',
      PORT: '0',
      ...settings,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const url = await readUrl(child);
  return {
    url,
    child,
    memory: async () => readMemory(child.pid ?? 0),
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      if (child.exitCode === null) await once(child, 'exit');
    },
  };
}

async function readUrl(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('the service has no output');
  for await (const line of createInterface({ input: child.stdout })) {
    const entry: unknown = JSON.parse(line);
    if (typeof entry === 'object' && entry !== null && 'event' in entry && entry.event === 'gateway.listening') {
      child.stdout.resume();
      return 'url' in entry ? String(entry.url) : '';
    }
  }
  throw new Error('the service ended before it listened');
}

async function readMemory(pid: number): Promise<{ now: number; peak: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const read = (name: string) => Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1024);
  return { now: read('VmRSS'), peak: read('VmHWM') };
}
