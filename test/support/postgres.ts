import { spawnSync } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/db/embedded.ts';
import { install } from '../../src/install.ts';
import { createLog } from '../../src/log.ts';
import { atEndOfFile } from './at-end.ts';
import { startTcpProxy } from './tcp-proxy.ts';
import { waitFor } from './wait.ts';

/** A Postgres that only the caller uses, and may crash. */
export interface OwnPostgres {
  /** A migrated database; the same after a crash. */
  readonly url: string;
  /** Ends it at once, as an immediate shutdown or a power cut does; nobody can connect until `recover`. */
  crash(): Promise<void>;
  /** Starts it again, which replays its log. */
  recover(): Promise<void>;
  /** Another migrated database whose tables are on a disk of this size. */
  createOnSmallDisk(name: string, megabytes: number): Promise<SmallDisk>;
}

export interface SmallDisk {
  readonly url: string;
  /** Gives it more room than anybody needs. */
  enlarge(): Promise<void>;
}

/** Starts a Postgres with this release installed; it ends with the test file. */
export async function startPostgres(): Promise<OwnPostgres> {
  const dataDir = await mkdtemp(join(tmpdir(), 'bulkcast-postgres-'));
  // When root runs the tests, Postgres runs as another user and has to get there.
  await chmod(dataDir, 0o755);
  // A crash of the server loses nothing that it has given to the system.
  const settings = { fsync: 'off', max_connections: '200' };
  const start = () => startEmbeddedPostgres({ dataDir, log: () => undefined, settings });
  let running = await start();
  const disks: string[] = [];
  atEndOfFile(async () => {
    await running.stop();
    for (const disk of disks) spawnSync('umount', [disk]);
    for (const disk of disks) await rm(disk, { recursive: true, force: true });
    await rm(running.home, { recursive: true, force: true });
    await rm(dataDir, { recursive: true, force: true });
  });
  await install(running.url, createLog('silent'));
  const proxy = await startTcpProxy(portOf(running));
  const url = new URL(running.url);
  url.port = String(proxy.port);
  return {
    url: url.href,
    crash: () => crash(running),
    recover: async () => {
      await running.stop();
      running = await start();
      proxy.redirect(portOf(running));
    },
    createOnSmallDisk: async (name, megabytes) => {
      const disk = await mountSmallDisk(join(running.home, 'data'), megabytes);
      if (disk !== undefined) disks.push(disk);
      return createOnSmallDisk(running.url, name, disk);
    },
  };
}

function portOf({ url }: EmbeddedPostgres): number {
  return Number(new URL(url).port);
}

async function crash({ home }: EmbeddedPostgres): Promise<void> {
  const pidFile = join(home, 'data', 'postmaster.pid');
  const pid = Number.parseInt(await readFile(pidFile, 'utf8'), 10);
  process.kill(pid, 'SIGQUIT');
  const isGone = () => {
    try {
      return !process.kill(pid, 0);
    } catch {
      return true;
    }
  };
  await waitFor(isGone, { message: `Postgres (pid ${pid}) is gone` });
}

/** On a tmpfs where this process may mount one; else Postgres is made to say that the disk is full, where tables grow most. */
async function createOnSmallDisk(url: string, name: string, disk: string | undefined): Promise<SmallDisk> {
  if (disk !== undefined) await execute(url, `create tablespace ${name} location '${disk}'`);
  await execute(url, `create database ${name} ${disk === undefined ? '' : `tablespace ${name}`}`);
  const created = new URL(url);
  created.pathname = `/${name}`;
  await install(created.href, createLog('silent'));
  if (disk === undefined) await execute(created.href, refuseToGrow);
  const enlarge = async () => {
    if (disk === undefined) await execute(created.href, 'drop function refuse_to_grow cascade');
    else spawnSync('mount', ['-o', 'remount,size=2g', disk]);
  };
  return { url: created.href, enlarge };
}

const refuseToGrow = `
  create function refuse_to_grow() returns trigger language plpgsql as $$
  begin raise exception 'could not extend file: No space left on device' using errcode = 'disk_full'; end $$;
  create trigger refuse_to_grow after insert on gift_cards for each statement execute function refuse_to_grow();
  create trigger refuse_to_grow after insert on vouchers for each statement execute function refuse_to_grow();
  create trigger refuse_to_grow after insert on chunks for each row when (new.items is not null) execute function refuse_to_grow();`;

async function mountSmallDisk(owned: string, megabytes: number): Promise<string | undefined> {
  const directory = await mkdtemp(join(tmpdir(), 'bulkcast-disk-'));
  const { uid, gid } = await stat(owned);
  const options = `size=${megabytes}m,uid=${uid},gid=${gid},mode=700`;
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', directory]);
  if (status === 0) return directory;
  await rm(directory, { recursive: true });
  return undefined;
}

async function execute(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
