import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '../db/client.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { Snapshot } from '../tasks/snapshot.ts';
import { readRecentTasks, readTasks } from '../tasks/store.ts';
import type { Bus } from './bus.ts';
import {
  addTaskWatch,
  forgetBefore,
  isUnused,
  knowRecent,
  offerToAll,
  openProjectFeed,
  overlapSeconds,
  type ProjectFeed,
  removeProjectWatch,
  removeTaskWatch,
  watchesOf,
} from './project-feed.ts';
import { type Reconciler, startReconciler } from './reconciler.ts';
import { createTaskReader, type TaskReader } from './task-reader.ts';
import { openProjectWatch, openTaskWatch, type Watch } from './watch.ts';

/** A gateway's live view of tasks: everything that is pushed comes out of here. */
export interface Feeds {
  /**
   * Watches one task: its snapshot first, then whatever is newer, at most about ten a second, the final one always; then
   * ends. With `afterVersion`, leaves out what is not newer than that. A slow reader gets the newest, not a queue.
   * Undefined when the project has no such task.
   */
  watchTask(
    projectId: string,
    id: string,
    options: { readonly afterVersion?: number | undefined; readonly signal: AbortSignal },
  ): Promise<AsyncIterable<Snapshot> | undefined>;
  /**
   * Watches every change from now on of the project's tasks that match. A slow reader gets each task's newest snapshot, in
   * the order in which the tasks changed. Resolves once nothing committed from then on is missed; ends with the signal.
   */
  watchProject(
    projectId: string,
    options: { readonly matches: (snapshot: Snapshot) => boolean; readonly signal: AbortSignal },
  ): Promise<AsyncIterable<Snapshot>>;
  /** Ends every watch. May be called twice. */
  stop(): Promise<void>;
}

export interface FeedsDeps {
  readonly db: Database;
  readonly bus: Bus;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'subscribers'>;
}

/** Opens the live view of a gateway. It reads what is watched again every 2 s, and at once when the bus was away. */
export function openFeeds(deps: FeedsDeps): Feeds {
  const state: State = {
    deps,
    feeds: new Map(),
    reader: createTaskReader(deps.db),
    closing: new Set(),
    reconciledMs: performance.now(),
    isStopped: false,
  };
  const reconciler = startReconciler(deps.log, () => reconcile(state));
  deps.bus.onInterrupted(() => reconciler.soon());
  let stopped: Promise<void> | undefined;
  return {
    watchTask: (projectId, id, options) => watchTask(state, projectId, id, options),
    watchProject: (projectId, options) => watchProject(state, projectId, options),
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
  readonly reader: TaskReader;
  readonly closing: Set<Promise<void>>;
  /** When the last successful read of everything watched began. */
  reconciledMs: number;
  isStopped: boolean;
}

async function watchTask(state: State, projectId: string, id: string, options: Parameters<Feeds['watchTask']>[2]) {
  const { signal, afterVersion = 0 } = options;
  if (state.isStopped || signal.aborted) return nothing(signal);
  const feed = feedOf(state, projectId);
  const watch: Watch = openTaskWatch({
    afterVersion,
    signal,
    released: () => {
      removeTaskWatch(feed, id, watch);
      released(state, feed, 'task');
    },
  });
  addTaskWatch(feed, id, watch);
  state.deps.metrics.subscribers.inc({ kind: 'task' });
  const task = await beforeEndOf(watch, async () => {
    await feed.subscription;
    return state.reader.read(id);
  });
  if (watch.isOver) return watch;
  if (task?.projectId !== projectId) {
    watch.end();
    return undefined;
  }
  watch.offer(task);
  offerToAll(feed, task);
  return watch;
}

async function watchProject(state: State, projectId: string, options: Parameters<Feeds['watchProject']>[1]) {
  const { signal, matches } = options;
  if (state.isStopped || signal.aborted) return nothing(signal);
  const feed = feedOf(state, projectId);
  const watch: Watch = openProjectWatch({
    matches,
    signal,
    released: () => {
      removeProjectWatch(feed, watch);
      released(state, feed, 'project');
    },
  });
  feed.projectWatches.add(watch);
  state.deps.metrics.subscribers.inc({ kind: 'project' });
  await beforeEndOf(watch, async () => {
    await feed.subscription;
    await knowRecent(feed, state.deps.db);
  });
  if (!watch.isOver) feed.admitted.add(watch);
  return watch;
}

/** A watch that is over. */
function nothing(signal: AbortSignal): Watch {
  const watch = openTaskWatch({ afterVersion: 0, signal, released: () => undefined });
  watch.end();
  return watch;
}

/** What the step gives, or undefined when the watch ends first. When the step fails, the watch ends with it. */
async function beforeEndOf<T>(watch: Watch, step: () => Promise<T>): Promise<T | undefined> {
  try {
    return await Promise.race([step(), watch.over.then(() => undefined)]);
  } catch (error) {
    watch.end();
    throw error;
  }
}

function feedOf(state: State, projectId: string): ProjectFeed {
  const feed = state.feeds.get(projectId) ?? openProjectFeed(state.deps.bus, projectId);
  state.feeds.set(projectId, feed);
  return feed;
}

function released(state: State, feed: ProjectFeed, kind: 'task' | 'project'): void {
  const { log, metrics } = state.deps;
  metrics.subscribers.dec({ kind });
  if (!isUnused(feed)) return;
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
  const ids = feeds.flatMap((feed) => [...feed.taskWatches.keys()]);
  const projectIds = feeds.filter((feed) => feed.projectWatches.size > 0).map((feed) => feed.projectId);
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
  for (const watch of [...state.feeds.values()].flatMap(watchesOf)) watch.end();
  const released = Promise.all([reconciler.stop(), ...state.closing]);
  await Promise.race([released, delay(stopMs, undefined, { ref: false })]);
}
