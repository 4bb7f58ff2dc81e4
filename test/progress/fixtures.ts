import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect } from 'vitest';
import { type Database, openDatabase } from '../../src/db/client.ts';
import type { Log, LogFields } from '../../src/log.ts';
import type { Bus } from '../../src/progress/bus.ts';
import { openFeeds } from '../../src/progress/feeds.ts';
import { openProjectStreams } from '../../src/progress/project-streams.ts';
import type { Render } from '../../src/progress/renderer.ts';
import type { Membership, Subscriber } from '../../src/progress/subscriber.ts';
import { createTaskReader } from '../../src/progress/task-reader.ts';
import { openTaskStreams } from '../../src/progress/task-streams.ts';
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
    kind: 'RUN',
    priority: 'NORMAL',
    parameters: { campaign: 'Übergrößen ✓', nested: { list: [1, null, 'two'] } },
    state: 'RUNNING',
    version: 3,
    total: 100,
    processed: 40,
    succeeded: 39,
    failed: 1,
    error: null,
    requestId: 'v-0123456789abcdef01',
    parentId: null,
    changedBy: null,
    changeReason: null,
    rate: { perSecond: 12.5, until: new Date(createdAt.getTime() + 30_999) },
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

/** Everything that was sent to one subscriber. */
export interface Follower {
  readonly received: readonly Snapshot[];
  readonly versions: readonly number[];
  /** Nothing follows. */
  readonly isOver: boolean;
  readonly error: unknown;
  /** Takes nothing more, as a connection whose reader has stopped. */
  block(): void;
  /** Takes something again. */
  unblock(): void;
  leave(): void;
}

export interface TestStreams {
  readonly log: RecordedLog;
  /** How often a snapshot was rendered. */
  readonly rendered: number;
  followTask(task: Pick<Snapshot, 'id' | 'projectId'>, afterVersion?: number): Follower;
  followProject(projectId: string, matches?: (snapshot: Snapshot) => boolean): Follower;
  /** How many followers hold something of this gateway. */
  count(): number;
  stop(): Promise<void>;
}

export interface TestStreamsOptions {
  /** What makes the message of a snapshot; the snapshot itself unless told. */
  readonly render?: Render<Snapshot>;
}

/** The streams of one gateway; stopped at the end of the file. All who follow one thing are one group. */
export function openTestStreams(db: Database, bus: Bus, { render }: TestStreamsOptions = {}): TestStreams {
  const log = recordLog();
  const feeds = openFeeds({ db, reader: createTaskReader(db), bus, log });
  atEndOfFile(feeds.stop);
  let followers = 0;
  let rendered = 0;
  const count = (change: number) => {
    followers += change;
  };
  const renderCounted: Render<Snapshot> = (snapshot) => {
    rendered += 1;
    return render === undefined ? snapshot : render(snapshot);
  };
  const tasks = openTaskStreams<Snapshot>(feeds, count);
  const projects = openProjectStreams<Snapshot>(feeds, count);
  return {
    log,
    get rendered() {
      return rendered;
    },
    followTask: ({ projectId, id }, afterVersion = 0) =>
      follow((subscriber) => tasks.join({ key: id, projectId, id, render: renderCounted }, afterVersion, subscriber)),
    followProject: (projectId, matches = () => true) => {
      const stream = { key: `${projectId} ${matches}`, projectId, matches, render: renderCounted };
      return follow((subscriber) => projects.join(stream, subscriber));
    },
    count: () => followers,
    stop: feeds.stop,
  };
}

function follow(join: (subscriber: Subscriber<Snapshot>) => Membership): Follower {
  const received: Snapshot[] = [];
  let isBlocked = false;
  let isOver = false;
  let problem: unknown;
  const membership = join({
    send: (snapshot) => {
      if (isOver) throw new Error('sent after the end');
      if (!isBlocked) received.push(snapshot);
      return !isBlocked;
    },
    end: (error) => {
      if (isOver) throw new Error('ended twice');
      isOver = true;
      problem = error;
    },
  });
  return {
    received,
    get versions() {
      return received.map(({ version }) => version);
    },
    get isOver() {
      return isOver;
    },
    get error() {
      return problem;
    },
    block: () => {
      isBlocked = true;
    },
    unblock: () => {
      isBlocked = false;
      membership.resume();
    },
    leave: () => {
      membership.leave();
      isOver = true;
    },
  };
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
