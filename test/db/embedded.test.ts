import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/db/embedded.ts';
import { waitFor } from '../support/wait.ts';

const ownerProgram = fileURLToPath(new URL('../support/embedded-owner.ts', import.meta.url));

let dataDir: string;
let events: string[];
let ending: (() => Promise<unknown>)[];

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'bulkcast-embedded-'));
  await chmod(dataDir, 0o755);
  events = [];
  ending = [() => rm(dataDir, { recursive: true, force: true })];
});

afterEach(async () => {
  for (const end of ending.reverse()) await end();
});

test('keeps its data from one start to the next', async () => {
  const first = await start();
  await query(first.url, 'create table kept as select 7 as value');
  await first.stop();

  const second = await start();
  expect(await query(second.url, 'select value from kept')).toEqual([{ value: 7 }]);
});

test('keeps its data, and leaves no second server, when bulkcast is killed', async () => {
  const owner = await startOwner();
  await query(owner.url, 'create table kept as select 7 as value');
  await kill(owner.child);
  expect(await query(owner.url, 'select 1 as one')).toEqual([{ one: 1 }]);

  const next = await start();
  expect(await query(next.url, 'select value from kept')).toEqual([{ value: 7 }]);
  expect(events).toContain('postgres.left');
  await expect(query(owner.url, 'select 1')).rejects.toThrow('ECONNREFUSED');
});

test('starts when its server was killed too and another process of that user has got the process id', async () => {
  const owner = await startOwner();
  await query(owner.url, 'create table kept as select 7 as value');
  const leftPid = await readPostmasterPid(owner.home);
  await kill(owner.child);
  process.kill(leftPid, 'SIGKILL');
  const { uid, gid } = await stat(join(owner.home, 'data'));
  const bystander = spawn('sleep', ['300'], { uid, gid });
  ending.push(() => kill(bystander));
  const pidFile = join(owner.home, 'data', 'postmaster.pid');
  const lines = (await readFile(pidFile, 'utf8')).split('\n');
  await writeFile(pidFile, [bystander.pid, ...lines.slice(1)].join('\n'));

  const next = await start();
  expect(await query(next.url, 'select value from kept')).toEqual([{ value: 7 }]);
  expect(bystander.exitCode ?? bystander.signalCode).toBe(null);
});

test('is refused to a second bulkcast, which is told who has it and what to do', async () => {
  const owner = await startOwner();
  await expect(start()).rejects.toThrow(
    new RegExp(`another bulkcast \\(pid ${owner.child.pid}\\).*${dataDir}.*BULKCAST_DATA_DIR`),
  );
  expect(await query(owner.url, 'select 1 as one')).toEqual([{ one: 1 }]);
});

test('is refused to a second start in the same process, until the first has stopped', async () => {
  const first = await start();
  await expect(start()).rejects.toThrow(`another bulkcast (pid ${process.pid})`);
  await first.stop();
  const second = await start();
  expect(await query(second.url, 'select 1 as one')).toEqual([{ one: 1 }]);
});

test('keeps running when a terminal sends Ctrl-C to bulkcast and all its children', async () => {
  const owner = await startOwner({ ignoresInterrupt: true });
  process.kill(-Number(owner.child.pid), 'SIGINT');
  await waitFor(() => owner.output.includes('interrupted'), { message: 'the owner notices the Ctrl-C' });
  expect(await query(owner.url, 'select 1 as one')).toEqual([{ one: 1 }]);
});

test('stops once however often it is asked to', async () => {
  const postgres = await start();
  await Promise.all([postgres.stop(), postgres.stop()]);
  await postgres.stop();
  expect(events.filter((event) => event === 'postgres.stopped')).toHaveLength(1);
  await expect(query(postgres.url, 'select 1')).rejects.toThrow('ECONNREFUSED');
});

test('stops although clients are connected', async () => {
  const postgres = await start();
  const client = new pg.Client({ connectionString: postgres.url });
  const ended = new Promise((resolve) => client.on('error', resolve));
  await client.connect();
  await postgres.stop();
  expect(String(await ended)).toMatch(/terminating connection|Connection terminated/);
});

test('runs for a directory that nobody else may enter', async () => {
  await chmod(dataDir, 0o700);
  const first = await start();
  await query(first.url, 'create table kept as select 7 as value');
  await first.stop();
  const second = await start();
  expect(second.home).toBe(first.home);
  expect(await query(second.url, 'select value from kept')).toEqual([{ value: 7 }]);
});

test('begins anew when the data directory was deleted', async () => {
  await chmod(dataDir, 0o700);
  const first = await start();
  await query(first.url, 'create table kept as select 7 as value');
  await first.stop();
  await rm(dataDir, { recursive: true });
  const second = await start();
  expect(await query(second.url, `select to_regclass('kept') as kept`)).toEqual([{ kept: null }]);
});

test('keeps its data and its password to its user, and strangers out', async () => {
  const postgres = await start();
  expect((await stat(join(postgres.home, 'data'))).mode & 0o777).toBe(0o700);
  expect((await stat(join(postgres.home, 'password'))).mode & 0o777).toBe(0o600);
  const stranger = new URL(postgres.url);
  stranger.password = 'guessed';
  await expect(query(stranger.href, 'select 1')).rejects.toThrow('password authentication failed');
  const shown = await query(
    postgres.url,
    `select current_setting('listen_addresses') as addresses, current_setting('unix_socket_directories') as sockets`,
  );
  expect(shown).toEqual([{ addresses: '127.0.0.1', sockets: '' }]);
});

test('keeps text as UTF-8 in code point order and time in UTC', async () => {
  const postgres = await start();
  const [row] = await query(
    postgres.url,
    `select pg_encoding_to_char(encoding) as encoding, current_setting('timezone') as timezone,
            lower('ÄØ') as lower, 'Z' < 'a' as by_code_point
     from pg_database where datname = current_database()`,
  );
  expect(row).toEqual({ encoding: 'UTF8', timezone: 'UTC', lower: 'äø', by_code_point: true });
});

test('tells why Postgres does not start, and can be started after that', async () => {
  await expect(start({ max_connections: 'plenty' })).rejects.toThrow(/did not start.*max_connections.*plenty/s);
  const postgres = await start();
  expect(await query(postgres.url, 'select 1 as one')).toEqual([{ one: 1 }]);
});

async function start(settings: Record<string, string> = {}): Promise<EmbeddedPostgres> {
  const log = (event: string) => {
    events.push(event);
  };
  const postgres = await startEmbeddedPostgres({ dataDir, log, settings });
  ending.push(async () => {
    await postgres.stop();
    await rm(postgres.home, { recursive: true, force: true });
  });
  return postgres;
}

interface Owner {
  readonly child: ChildProcess;
  readonly url: string;
  readonly home: string;
  readonly output: readonly string[];
}

/** Another bulkcast, as far as the embedded Postgres is concerned: its own process in its own process group. */
async function startOwner(options: { ignoresInterrupt?: boolean } = {}): Promise<Owner> {
  const args = options.ignoresInterrupt ? [dataDir, 'ignore-interrupt'] : [dataDir];
  const child = spawn(process.execPath, [ownerProgram, ...args], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  ending.push(async () => {
    child.kill('SIGTERM');
    await waitFor(() => hasExited(child), { message: 'the owner stops' });
  });
  const output: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => output.push(line));
  const message = 'the owner starts';
  await waitFor(() => output.length > 0 || hasExited(child), { timeoutMs: 20_000, message });
  const { url, home } = JSON.parse(output[0] ?? '{}');
  return { child, url, home, output };
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  if (!hasExited(child)) await once(child, 'exit');
}

function hasExited(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

async function readPostmasterPid(home: string): Promise<number> {
  return Number.parseInt(await readFile(join(home, 'data', 'postmaster.pid'), 'utf8'), 10);
}

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}
