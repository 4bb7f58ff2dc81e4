import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect } from 'vitest';
import { type Database, openDatabase } from '../../src/db/client.ts';
import type { Log, LogFields } from '../../src/log.ts';
import { createMetrics } from '../../src/metrics.ts';
import type { Bus } from '../../src/progress/bus.ts';
import { type Feeds, openFeeds } from '../../src/progress/feeds.ts';
import type { Snapshot } from '../../src/tasks/snapshot.ts';
import { countChunk, insertTask, markRunning } from '../../src/tasks/store.ts';
import { atEndOfFile } from '../support/at-end.ts';
import { createDatabase } from '../support/database.ts';

/** A snapshot that need not be in any database. */
export function snapshotOf(changes: Partial<Snapshot> = {}): Snapshot {
  const createdAt = new Date('2026-03-01T12:00:00.250Z');
  return {
    id: randomUUID(),
    projectId: randomUUID(),
    model: 'ASYNC_ACTION',
    operation: 'vouchers.import',
    parameters: { campaign: 'Übergrößen ✓', nested: { list: [1, null, 'two'] } },
    state: 'RUNNING',
    version: 3,
    total: 100,
    processed: 40,
    succeeded: 39,
    failed: 1,
    error: null,
    requestId: 'v-0123456789abcdef01',
    createdAt,
    startedAt: new Date(createdAt.getTime() + 15),
    updatedAt: new Date(createdAt.getTime() + 999),
    completedAt: null,
    ...changes,
  };
}

export interface RecordedLog extends Log {
  readonly lines: { readonly event: string; readonly fields: LogFields }[];
  count(event: string): number;
}

export function recordLog(): RecordedLog {
  const lines: RecordedLog['lines'] = [];
  const write = (event: string, fields: LogFields = {}) => void lines.push({ event, fields });
  const count = (event: string) => lines.filter((line) => line.event === event).length;
  return { lines, count, debug: write, info: write, warn: write, error: write };
}

export interface TestTasks {
  readonly db: Database;
  readonly url: string;
  createProject(): Promise<string>;
  /** A QUEUED task of this many items. */
  createTask(projectId: string, total?: number): Promise<Snapshot>;
  /** One change: to RUNNING, or some items more; the last one ends it. */
  change(task: Snapshot, items?: number): Promise<Snapshot>;
  /** Changes it until it has SUCCEEDED. */
  finish(task: Snapshot): Promise<Snapshot>;
}

/** A database of this test file with the writes that the engine makes. */
export async function openTasks(): Promise<TestTasks> {
  const { url } = await createDatabase();
  const client = openDatabase({ url, maxConnections: 10, applicationName: 'test', log: recordLog() });
  atEndOfFile(client.stop);
  const { db } = client;
  const change: TestTasks['change'] = async (task, items = 1) => {
    const running = task.state === 'QUEUED' ? await markRunning(db, task.id) : undefined;
    return running ?? db.transaction().execute((tx) => countChunk(tx, task.id, items, 0));
  };
  return {
    db,
    url,
    change,
    createProject: async () => {
      const values = { name: 'A project' };
      return (await db.insertInto('projects').values(values).returning('id').executeTakeFirstOrThrow()).id;
    },
    createTask: (projectId, total = 100) => createTask(db, projectId, total),
    finish: async (task) => {
      const running = task.state === 'QUEUED' ? await change(task) : task;
      return change(running, running.total - running.processed);
    },
  };
}

function createTask(db: Database, projectId: string, total: number): Promise<Snapshot> {
  return db.transaction().execute((tx) =>
    insertTask(tx, {
      id: `aa_${randomBytes(9).toString('hex')}`,
      projectId,
      model: 'ASYNC_ACTION',
      operation: 'vouchers.import',
      parameters: {},
      total,
      requestId: 'v-0123456789abcdef01',
      createdAt: new Date(),
    }),
  );
}

export interface TestFeeds extends Feeds {
  readonly log: RecordedLog;
  /** How many watches hold something of this gateway. */
  countWatches(): Promise<number>;
}

/** The feeds of one gateway; stopped at the end of the file. */
export function openTestFeeds(db: Database, bus: Bus): TestFeeds {
  const log = recordLog();
  const metrics = createMetrics();
  const feeds = openFeeds({ db, bus, log, metrics });
  atEndOfFile(feeds.stop);
  const countWatches = async () => {
    const { values } = await metrics.subscribers.get();
    return values.reduce((sum, { value }) => sum + value, 0);
  };
  return { ...feeds, log, countWatches };
}

export interface Reading {
  readonly received: Snapshot[];
  readonly versions: number[];
  isOver: boolean;
}

/** Reads on until the watch ends. */
export function readAll(watch: AsyncIterable<Snapshot> | undefined): Reading {
  if (watch === undefined) throw new Error('expected a watch');
  const received: Snapshot[] = [];
  const reading: Reading = {
    received,
    get versions() {
      return received.map((snapshot) => snapshot.version);
    },
    isOver: false,
  };
  const read = async () => {
    for await (const snapshot of watch) received.push(snapshot);
    reading.isOver = true;
  };
  void read();
  return reading;
}

/** The watch's iterator, to read one by one. */
export function iterate(watch: AsyncIterable<Snapshot> | undefined): AsyncIterator<Snapshot> {
  if (watch === undefined) throw new Error('expected a watch');
  return watch[Symbol.asyncIterator]();
}

/** Fails the test file when anything in it lets a rejection go unhandled. */
export function expectNoUnhandledRejection(): void {
  const unhandled: unknown[] = [];
  const remember = (reason: unknown) => void unhandled.push(reason);
  beforeAll(() => {
    process.on('unhandledRejection', remember);
  });
  afterAll(() => {
    process.off('unhandledRejection', remember);
    expect(unhandled).toStrictEqual([]);
  });
}
