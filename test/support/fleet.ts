import { sql } from 'kysely';
import { createProject, makeUpCredentials, type ProjectCredentials } from '../../src/auth/projects.ts';
import { type Database, openDatabase } from '../../src/db/client.ts';
import { createLog } from '../../src/log.ts';
import { createMetrics } from '../../src/metrics.ts';
import { operations } from '../../src/operations/index.ts';
import { type EngineDeps, operationOf } from '../../src/tasks/engine.ts';
import { runDryRun, undoTask } from '../../src/tasks/follow-ups.ts';
import { openJobs } from '../../src/tasks/jobs.ts';
import type { Snapshot } from '../../src/tasks/snapshot.ts';
import { startTask } from '../../src/tasks/start.ts';
import { isFinal } from '../../src/tasks/state.ts';
import { readTask } from '../../src/tasks/store.ts';
import { atEndOfFile } from './at-end.ts';
import { endBackoff } from './backoff.ts';
import { type ServeProcess, startServe } from './processes.ts';
import { waitFor } from './wait.ts';

/** Processes of one installation that may be hurt, and a view of their database from outside. */
export interface Fleet {
  readonly db: Database;
  readonly credentials: ProjectCredentials;
  readonly projectId: string;
  /** A process of its own; the caller ends it. */
  start(role: 'gateway' | 'worker', settings?: Readonly<Record<string, string>>): Promise<ServeProcess>;
  /** Starts a task of the project from here and returns its id. */
  begin(operation: string, input: object, options?: { readonly isDryRun?: boolean }): Promise<string>;
  issue(count: number): Promise<string>;
  /** Starts the task that undoes this one, or that runs this dry run, and returns its id. */
  followUp(kind: keyof typeof followUps, id: string): Promise<string>;
  /** The task as it is now. */
  read(id: string): Promise<Snapshot>;
  /** The task once this many of its items are done, or it has ended. */
  reaches(id: string, processed: number, timeoutMs?: number): Promise<Snapshot>;
  ended(id: string, timeoutMs?: number): Promise<Snapshot>;
  /** The same, without the pauses between tries. */
  endedWithoutPauses(id: string, timeoutMs?: number): Promise<Snapshot>;
  /** Lets the ten seconds pass after which a worker that is silent counts as dead, for all jobs in hand; returns how many. */
  expireHeartbeats(): Promise<number>;
  /** Lets the time pass for which jobs wait to be tried again. */
  endBackoff(): Promise<void>;
}

const followUps = { undo: undoTask, run: runDryRun } as const;

export interface FleetOptions {
  readonly databaseUrl: string;
  readonly redisUrl: string;
}

/** Opens an installation with one project on a migrated database; it closes with the test file, after its processes. */
export async function openFleet({ databaseUrl, redisUrl }: FleetOptions): Promise<Fleet> {
  const log = createLog('silent');
  const client = openDatabase({ url: databaseUrl, maxConnections: 4, applicationName: 'fleet', log });
  // It works on nothing, but gives back the jobs of workers that die young.
  const jobs = await openJobs({ databaseUrl, role: 'worker', slots: 0, log });
  atEndOfFile(async () => {
    await jobs.stop(1_000);
    await client.stop();
  });
  const { db } = client;
  const credentials = makeUpCredentials();
  const projectId = await createProject(db, 'Fleet', credentials);
  const limits = { maxItems: 10_000_000, maxCsvLineBytes: 1_048_576 };
  const engine: EngineDeps = {
    db,
    jobs,
    operations,
    entered: async () => {},
    publish: () => {},
    limits,
    keepKeysDays: 7,
    log,
    metrics: createMetrics(),
  };
  const requestId = 'v-test';
  const begin: Fleet['begin'] = async (name, given, options = {}) => {
    const operation = operationOf(operations, name);
    const input = operation.input.parse(given);
    return (await startTask(engine, { operation, input, projectId, requestId, ...options })).id;
  };
  return {
    db,
    credentials,
    projectId,
    begin,
    start: (role, settings) =>
      startServe({ ...environmentOf(databaseUrl, redisUrl, credentials), BULKCAST_ROLE: role, ...settings }),
    followUp: async (kind, id) => (await followUps[kind](engine, { id, projectId, requestId, actor: 'fleet' })).id,
    issue: (count) => begin('gift_cards.issue', { programId: credentials.programId, initialValue: 5, count }),
    read: (id) => read(db, id),
    reaches: (id, processed, timeoutMs) => reaches(db, id, processed, timeoutMs),
    ended: (id, timeoutMs) => reaches(db, id, Number.POSITIVE_INFINITY, timeoutMs),
    endedWithoutPauses: async (id, timeoutMs = 90_000) => {
      const hasEnded = async () => {
        await endBackoff(db);
        return isFinal((await read(db, id)).state);
      };
      await waitFor(hasEnded, { timeoutMs, message: `task ${id} ends` });
      return read(db, id);
    },
    expireHeartbeats: async () => {
      const { numAffectedRows } =
        await sql`update pgboss.job set heartbeat_on = heartbeat_on - interval '1 hour' where state = 'active'`.execute(
          db,
        );
      return Number(numAffectedRows);
    },
    endBackoff: () => endBackoff(db),
  };
}

/** The settings that all processes of an installation share. */
export function environmentOf(databaseUrl: string, redisUrl: string, credentials: ProjectCredentials) {
  return {
    DATABASE_URL: databaseUrl,
    REDIS_URL: redisUrl,
    BULKCAST_SECRET: 'a secret of the tests, long enough for HMAC',
    BULKCAST_BOOTSTRAP_APP_ID: credentials.appId,
    BULKCAST_BOOTSTRAP_APP_TOKEN: credentials.appToken,
    BULKCAST_BOOTSTRAP_USERNAME: credentials.username,
    BULKCAST_BOOTSTRAP_PASSWORD: credentials.password,
    BULKCAST_BOOTSTRAP_PROGRAM_ID: credentials.programId,
  };
}

async function read(db: Database, id: string): Promise<Snapshot> {
  const task = await readTask(db, id);
  if (task === undefined) throw new Error(`there is no task ${id}`);
  return task;
}

async function reaches(db: Database, id: string, processed: number, timeoutMs = 30_000): Promise<Snapshot> {
  let latest: Snapshot | undefined;
  const hasReached = async () => {
    latest = await read(db, id);
    return latest.processed >= processed || isFinal(latest.state);
  };
  const message = () => `task ${id} has ${processed} items done; it is ${JSON.stringify(latest)}`;
  await waitFor(hasReached, { timeoutMs, message });
  return read(db, id);
}
