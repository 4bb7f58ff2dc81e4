import { join } from 'node:path';
import pg from 'pg';
import { chooseAccount } from './embedded-account.ts';
import { prepareBinaries } from './embedded-binaries.ts';
import { clusterUrl, database, ensureCluster } from './embedded-cluster.ts';
import type { EmbeddedLog } from './embedded-log.ts';
import { takePlace } from './embedded-place.ts';
import { startServer } from './embedded-server.ts';

export interface EmbeddedOptions {
  /** The data directory of bulkcast; the cluster lives in `postgres` below it, or where `postgres/home` says. */
  readonly dataDir: string;
  readonly log: EmbeddedLog;
  /** Server settings on top of the defaults, for this start only. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Gives up a start that is under way. */
  readonly signal?: AbortSignal;
}

export interface EmbeddedPostgres {
  /** Holds the password: never log it. */
  readonly url: string;
  /** The directory with the cluster, its password and its log. */
  readonly home: string;
  /** Ends the server in a bounded time; may be called twice. */
  stop(): Promise<void>;
}

/**
 * Runs a real Postgres on 127.0.0.1 with its data in (or for) the data directory, as root too, and returns when it takes
 * connections. What a killed bulkcast left running is stopped first. Throws when a live bulkcast owns the directory, when
 * the binaries are not installed, and with the end of Postgres' own log when it does not start.
 */
export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const { log } = options;
  const account = await chooseAccount();
  const place = await takePlace(options.dataDir, account);
  try {
    log('postgres.starting', { home: place.home });
    const binaries = await prepareBinaries(place.makeBinariesDir, account);
    const cluster = await ensureCluster({ home: place.home, account, binaries, log });
    const server = await startServer({
      postgres: binaries.postgres,
      dataPath: cluster.dataPath,
      logPath: join(place.home, 'postgres.log'),
      account,
      log,
      settings: { ...defaultSettings, ...options.settings },
      signal: options.signal,
    });
    try {
      const url = (name: string) => clusterUrl(cluster, server.port, name);
      await ensureDatabase(url('postgres'));
      log('postgres.started', { home: place.home, port: server.port, pid: server.pid });
      let stopping: Promise<void> | undefined;
      const stop = () => {
        stopping ??= server.stop().finally(place.release);
        return stopping;
      };
      return { url: url(database), home: place.home, stop };
    } catch (error) {
      await server.stop();
      throw error;
    }
  } catch (error) {
    place.release();
    throw error;
  }
}

// Given anew at every start, so that nothing in the cluster can be out of date. Nobody replicates from this server, so the
// write-ahead log stays minimal; it may grow so that bulk work is not slowed by checkpoints.
const defaultSettings: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '100',
  shared_buffers: '256MB',
  maintenance_work_mem: '128MB',
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_wal_size: '4GB',
  checkpoint_timeout: '15min',
  random_page_cost: '1.1',
  timezone: 'UTC',
  log_timezone: 'UTC',
  // The contents of items must not reach the log through a failing statement.
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
};

async function ensureDatabase(maintenanceUrl: string): Promise<void> {
  const client = new pg.Client({
    connectionString: maintenanceUrl,
    connectionTimeoutMillis: 10_000,
    query_timeout: 60_000,
  });
  await client.connect();
  try {
    const found = await client.query('select 1 from pg_database where datname = $1', [database]);
    if (found.rowCount === 0) await client.query(`create database ${database}`);
  } finally {
    await client.end();
  }
}
