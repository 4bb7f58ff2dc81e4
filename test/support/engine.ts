import { sql } from 'kysely';
import { createProject, makeUpCredentials } from '../../src/auth/projects.ts';
import { type Database, openDatabase } from '../../src/db/client.ts';
import { createLog } from '../../src/log.ts';
import { createMetrics } from '../../src/metrics.ts';
import type { EngineDeps } from '../../src/tasks/engine.ts';
import { openJobs } from '../../src/tasks/jobs.ts';
import type { AnyOperation } from '../../src/tasks/operation.ts';
import type { Snapshot } from '../../src/tasks/snapshot.ts';
import { isFinal } from '../../src/tasks/state.ts';
import { readTask } from '../../src/tasks/store.ts';
import { atEndOfFile } from './at-end.ts';
import { endBackoff } from './backoff.ts';
import { createDatabase } from './database.ts';
import { waitFor } from './wait.ts';

export interface TestEngine extends EngineDeps {
  readonly projectId: string;
  readonly databaseUrl: string;
  /** What was published, in order. */
  readonly published: readonly Snapshot[];
  /** The task once it has ended; throws after 20 s. */
  ended(id: string): Promise<Snapshot>;
  /** The same, without the pauses between tries. */
  endedWithoutPauses(id: string): Promise<Snapshot>;
  /** The rows of `probe_effects` of a task, in order, as often as they were written. */
  effects(id: string): Promise<number[]>;
}

/** The engine on a database of its own, with these operations and one project; nobody works on jobs yet. */
export async function openTestEngine(operations: readonly AnyOperation[]): Promise<TestEngine> {
  const { url } = await createDatabase();
  const log = createLog('silent');
  const client = openDatabase({ url, maxConnections: 8, applicationName: 'test engine', log });
  const jobs = await openJobs({ databaseUrl: url, role: 'worker', slots: 2, log });
  atEndOfFile(async () => {
    await jobs.stop(2_000);
    await client.stop();
  });
  const { db } = client;
  await sql`create table probe_effects (task_id text, row_number integer)`.execute(db);
  const published: Snapshot[] = [];
  return {
    db,
    jobs,
    operations: new Map(operations.map((operation) => [operation.name, operation])),
    entered: async () => {},
    publish: (snapshot) => published.push(snapshot),
    limits: { maxItems: 1_000_000, maxCsvLineBytes: 1_048_576 },
    keepKeysDays: 7,
    log,
    metrics: createMetrics(),
    projectId: await createProject(db, 'Test project', makeUpCredentials()),
    databaseUrl: url,
    published,
    ended: (id) => ended(db, id),
    endedWithoutPauses: (id) => ended(db, id, () => endBackoff(db)),
    effects: (id) => readEffects(db, id),
  };
}

async function ended(db: Database, id: string, before?: () => Promise<void>): Promise<Snapshot> {
  const read = async () => {
    await before?.();
    const task = await readTask(db, id);
    return task !== undefined && isFinal(task.state) ? task : undefined;
  };
  const task = await waitFor(read, { timeoutMs: 20_000, message: `task ${id} ends` });
  if (task === undefined) throw new Error('unreachable');
  return task;
}

async function readEffects(db: Database, id: string): Promise<number[]> {
  const { rows } = await sql<{ row_number: number }>`
    select row_number from probe_effects where task_id = ${id} order by row_number`.execute(db);
  return rows.map((row) => row.row_number);
}
