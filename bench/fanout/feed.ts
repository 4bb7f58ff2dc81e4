import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import { createProject, makeUpCredentials, type ProjectCredentials } from '../../src/auth/projects.ts';
import { type Database, openDatabase } from '../../src/db/client.ts';
import type { TaskRow } from '../../src/db/tables.ts';
import { createLog } from '../../src/log.ts';
import type { Bus } from '../../src/progress/bus.ts';
import { openRedisBus } from '../../src/progress/redis-bus.ts';
import { newRequestId, newTaskId } from '../../src/tasks/ids.ts';
import { type Snapshot, toSnapshot } from '../../src/tasks/snapshot.ts';
import { countChunk, insertTask, markRunning, readClock, readTasks } from '../../src/tasks/store.ts';
import { monotonicMs } from '../support/clock.ts';
import type { Commit } from './load.ts';

/** The worker's part: commits changes of a project's tasks and publishes them. Each contender has a project of its own. */
export interface Feed {
  readonly projectId: string;
  readonly credentials: ProjectCredentials;
  readonly taskIds: readonly string[];
  /** Publishes every task as it is. */
  publishAll(): Promise<void>;
  /** Commits one more version of the tasks from `first` up to `end`, all at once, and publishes them. */
  change(first: number, end: number): Promise<Commit[]>;
}

export interface Driver extends AsyncDisposable {
  openFeed(tasks: number): Promise<Feed>;
}

const itemsOfTask = 10_000_000;
const itemsOfChange = 1_000;

/** Plays the worker of every contender, over this Postgres and Redis. */
export async function startDriver(databaseUrl: string, redisUrl: string): Promise<Driver> {
  const log = createLog('warn');
  const client = openDatabase({ url: databaseUrl, maxConnections: 2, applicationName: 'bench', log });
  const bus = openRedisBus({ url: redisUrl, log, failed: () => undefined });
  while (!bus.isUp()) await delay(10);
  return {
    openFeed: (tasks) => openFeed({ db: client.db, bus }, tasks),
    async [Symbol.asyncDispose]() {
      await bus.stop();
      await client.stop();
    },
  };
}

interface Deps {
  readonly db: Database;
  readonly bus: Bus;
}

async function openFeed({ db, bus }: Deps, tasks: number): Promise<Feed> {
  const credentials = makeUpCredentials();
  const projectId = await createProject(db, 'Bench', credentials);
  const taskIds = await createTasks(db, projectId, credentials.programId, tasks);
  const places = new Map(taskIds.map((id, place) => [id, place]));
  return {
    projectId,
    credentials,
    taskIds,
    async publishAll() {
      for (const snapshot of await readTasks(db, taskIds)) bus.publish(snapshot);
    },
    async change(first, end) {
      const ids = taskIds.slice(first, end);
      const snapshots = await (ids.length === 1 ? changeOne(db, ids[0] ?? '') : changeMany(db, ids));
      const committedMs = monotonicMs();
      for (const snapshot of snapshots) bus.publish(snapshot);
      return snapshots.map(({ id, version }) => ({ task: places.get(id) ?? -1, version, committedMs }));
    },
  };
}

/** Issuances that run. */
async function createTasks(db: Database, projectId: string, programId: string, count: number): Promise<string[]> {
  return db.transaction().execute(async (tx) => {
    const createdAt = await readClock(tx);
    const ids = Array.from({ length: count }, () => newTaskId('BULK_ISSUANCE', createdAt));
    const issuance = { projectId, model: 'BULK_ISSUANCE', operation: 'gift_cards.issue' } as const;
    for (const id of ids) {
      const requestId = newRequestId(createdAt);
      await insertTask(tx, { ...issuance, id, parameters: { programId }, total: itemsOfTask, requestId, createdAt });
      await markRunning(tx, id);
    }
    return ids;
  });
}

async function changeOne(db: Database, id: string): Promise<Snapshot[]> {
  return [await db.transaction().execute((tx) => countChunk(tx, id, itemsOfChange, 0))];
}

/** As `countChunk` does for each of a thousand tasks that progress at the same time, in one statement. */
async function changeMany(db: Database, ids: readonly string[]): Promise<Snapshot[]> {
  const { rows } = await sql<TaskRow>`
    update tasks
    set succeeded = succeeded + ${itemsOfChange}, processed = processed + ${itemsOfChange}, version = version + 1,
      updated_at = clock_timestamp()
    where id = any(${ids})
    returning *`.execute(db);
  return rows.map(toSnapshot);
}
