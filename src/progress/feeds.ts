import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '../db/client.ts';
import { ClientError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Snapshot } from '../tasks/snapshot.ts';
import { readRecentTasks, readTasks } from '../tasks/store.ts';
import type { Bus } from './bus.ts';
import {
  addTaskWatcher,
  forgetBefore,
  isUnused,
  knowRecent,
  offerToAll,
  openProjectFeed,
  overlapSeconds,
  type ProjectFeed,
  removeProjectWatcher,
  removeTaskWatcher,
  type Watcher,
} from './project-feed.ts';
import { type Reconciler, startReconciler } from './reconciler.ts';
import type { TaskReader } from './task-reader.ts';

/** A gateway's live view of tasks: everything that is pushed comes out of here. What is handed in must not throw. */
export interface Feeds {
  /** Gives `receive` ever newer snapshots of the task until it is left: at most about ten a second, the final one always. */
  watchTask(projectId: string, id: string, receive: Watcher['receive']): TaskWatch;
  /** Gives `receive` every change of the project's tasks, each task as `watchTask` does, from when it is `ready`. */
  watchProject(projectId: string, receive: Watcher['receive']): ProjectWatch;
  /** Gives nothing more to anybody. May be called twice. */
  stop(): Promise<void>;
}

export interface TaskWatch {
  /**
   * The task as of now or later, undefined when the project has no such task; what comes after it is received. All others
   * who watch the task get it too, unless they have it. Rejects when the database is away.
   */
  read(): Promise<Snapshot | undefined>;
  /** May be called twice. */
  leave(): void;
}

export interface ProjectWatch {
  /** Settled once nothing committed from then on is missed. Rejects when the database is away. */
  readonly ready: Promise<void>;
  /** May be called twice. */
  leave(): void;
}

export interface FeedsDeps {
  readonly db: Database;
  readonly reader: TaskReader;
  readonly bus: Bus;
  readonly log: Log;
}

/** Opens the live view of a gateway. It reads what is watched again every 2 s, and at once when the bus was away. */
export function openFeeds(deps: FeedsDeps): Feeds {
  const state: State = {
    deps,
    feeds: new Map(),
    closing: new Set(),
    reconciledMs: performance.now(),
    isStopped: false,
  };
  const reconciler = startReconciler(deps.log, () => reconcile(state));
  deps.bus.onInterrupted(() => reconciler.soon());
  let stopped: Promise<void> | undefined;
  return {
    watchTask: (projectId, id, receive) => watchTask(state, projectId, id, { receive }),
    watchProject: (projectId, receive) => watchProject(state, projectId, { receive }),
    stop: () => (stopped ??= stop(state, reconciler)),
  };
}

/** After how long without being offered again a task of a watched project is forgotten; no later read may go back that far. */
const forgottenMs = 5 * 60_000;
const stopMs = 1_000;

interface State {
  readonly deps: FeedsDeps;
  /** By project, as long as anything of it is watched. */
  readonly feeds: Map<string, ProjectFeed>;
  readonly closing: Set<Promise<void>>;
  /** When the last successful read of everything watched began. */
  reconciledMs: number;
  isStopped: boolean;
}

function watchTask(state: State, projectId: string, id: string, watcher: Watcher): TaskWatch {
  const feed = feedOf(state, projectId);
  if (feed === undefined) return { read: async () => refuse(), leave: () => undefined };
  addTaskWatcher(feed, id, watcher);
  return {
    read: async () => {
      await feed.subscription;
      if (state.isStopped) return refuse();
      const task = await state.deps.reader.read(id);
      if (task?.projectId !== projectId) return undefined;
      offerToAll(feed, task);
      return task;
    },
    leave: () => {
      removeTaskWatcher(feed, id, watcher);
      closeIfUnused(state, feed);
    },
  };
}

function watchProject(state: State, projectId: string, watcher: Watcher): ProjectWatch {
  const feed = feedOf(state, projectId);
  if (feed === undefined) return { ready: (async () => refuse())(), leave: () => undefined };
  feed.projectWatchers.add(watcher);
  const admit = async () => {
    await feed.subscription;
    await knowRecent(feed, state.deps.db);
    if (feed.projectWatchers.has(watcher)) feed.admitted.add(watcher);
  };
  return {
    ready: admit(),
    leave: () => {
      removeProjectWatcher(feed, watcher);
      closeIfUnused(state, feed);
    },
  };
}

function refuse(): never {
  throw new ClientError('UNAVAILABLE', 'This server is stopping; try again in a moment');
}

/** Undefined once the feeds are stopped. */
function feedOf(state: State, projectId: string): ProjectFeed | undefined {
  if (state.isStopped) return undefined;
  const feed = state.feeds.get(projectId) ?? openProjectFeed(state.deps.bus, projectId);
  state.feeds.set(projectId, feed);
  return feed;
}

function closeIfUnused(state: State, feed: ProjectFeed): void {
  if (isUnused(feed) && state.feeds.get(feed.projectId) === feed) close(state, feed);
}

function close(state: State, feed: ProjectFeed): void {
  const { log } = state.deps;
  state.feeds.delete(feed.projectId);
  const closing = feed.subscription
    .then((subscription) => subscription.unsubscribe())
    .catch((error) => log.warn('feeds.close_failed', { project: feed.projectId, error }))
    .finally(() => state.closing.delete(closing));
  state.closing.add(closing);
}

/** Reads everything that is watched again: whatever the bus lost is found here. */
async function reconcile(state: State): Promise<void> {
  const { db } = state.deps;
  const startedMs = performance.now();
  const feeds = [...state.feeds.values()];
  const ids = feeds.flatMap((feed) => [...feed.taskWatchers.keys()]);
  const projectIds = feeds.filter((feed) => feed.projectWatchers.size > 0).map((feed) => feed.projectId);
  const sinceSeconds = (startedMs - state.reconciledMs) / 1000 + overlapSeconds;
  const watched = ids.length > 0 ? await readTasks(db, ids) : [];
  const recent = projectIds.length > 0 ? await readRecentTasks(db, projectIds, sinceSeconds) : [];
  for (const task of [...watched, ...recent]) {
    const feed = state.feeds.get(task.projectId);
    if (feed !== undefined) offerToAll(feed, task);
  }
  state.reconciledMs = startedMs;
  for (const feed of feeds) forgetBefore(feed, startedMs - forgottenMs);
}

async function stop(state: State, reconciler: Reconciler): Promise<void> {
  state.isStopped = true;
  for (const feed of state.feeds.values()) {
    feed.taskWatchers.clear();
    feed.projectWatchers.clear();
    feed.admitted.clear();
    forgetBefore(feed, Number.POSITIVE_INFINITY);
    close(state, feed);
  }
  const released = Promise.all([reconciler.stop(), ...state.closing]);
  await Promise.race([released, delay(stopMs, undefined, { ref: false })]);
}
