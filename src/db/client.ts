import { Kysely, PostgresDialect, type Transaction } from 'kysely';
import pg from 'pg';
import type { Log } from '../log.ts';
import { openProjectReads, type ProjectReads } from './project-reads.ts';
import type { Tables } from './tables.ts';

export type Database = Kysely<Tables>;
/** A transaction that is open: what is written through it commits or vanishes as one. */
export type Tx = Transaction<Tables>;

export interface DatabaseClient {
  readonly db: Database;
  readonly projectReads: ProjectReads;
  stop(): Promise<void>;
}

export interface DatabaseOptions {
  readonly url: string;
  readonly maxConnections: number;
  /** How many of them the reads of one project take at a time; all by default. */
  readonly maxOfProject?: number;
  readonly applicationName: string;
  /** 120 s by default. */
  readonly statementTimeoutMs?: number;
  readonly log: Log;
}

const acquireTimeoutMs = 10_000;
const maxWaitingOfProject = 1_000;
const longestStatementMs = 120_000;
/** An upload is staged in one transaction, which waits for its sender. */
const idleInTransactionMs = 300_000;
/** The server ends a statement by itself; this ends the wait for a server that cannot be reached any more. */
const answerMs = 5_000;

/** A pool of connections. Whoever waits for one longer than 10 s, or for one statement longer than its bound, gets an error. */
export function openDatabase(options: DatabaseOptions): DatabaseClient {
  const { statementTimeoutMs = longestStatementMs } = options;
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.maxConnections,
    application_name: options.applicationName,
    connectionTimeoutMillis: acquireTimeoutMs,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    statement_timeout: statementTimeoutMs,
    query_timeout: statementTimeoutMs + answerMs,
    idle_in_transaction_session_timeout: idleInTransactionMs,
    types: { getTypeParser },
  });
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  let stopped: Promise<void> | undefined;
  // Between a checkout and its release nobody else listens to a connection, and an error that nobody hears ends the process.
  pool.on('connect', (client) => {
    client.on('error', (error) => options.log.debug('database.connection_broken', { error }));
  });
  pool.on('error', (error) => {
    // A connection that is being closed may still hear that its server stops.
    if (stopped === undefined) options.log.warn('database.connection_lost', { error });
  });
  const projectReads = openProjectReads(pool, {
    max: options.maxOfProject ?? options.maxConnections,
    maxWaiting: maxWaitingOfProject,
    maxWaitMs: acquireTimeoutMs,
  });
  return { db, projectReads, stop: () => (stopped ??= db.destroy()) };
}

/** bigint columns hold minor units and counts that fit a number exactly; numeric stays a decimal string. */
const getTypeParser: typeof pg.types.getTypeParser = (oid: number, format?: 'text' | 'binary') => {
  if (oid === pg.types.builtins.INT8) return Number;
  return format === 'binary' ? pg.types.getTypeParser(oid, 'binary') : pg.types.getTypeParser(oid, 'text');
};
