import type { Database } from '../db/client.ts';
import type { Snapshot } from '../tasks/snapshot.ts';
import { readRecentTasks } from '../tasks/store.ts';
import type { Bus, Subscription } from './bus.ts';
import { createPace, type Pace } from './pace.ts';

/** Is given snapshots. Must not throw. */
export interface Watcher {
  readonly receive: (snapshot: Snapshot) => void;
}

/** What a gateway watches of one project, over one subscription to the bus. */
export interface ProjectFeed {
  readonly projectId: string;
  /** Settled when all that is published from then on comes in. */
  readonly subscription: Promise<Subscription>;
  readonly taskWatchers: Map<string, Set<Watcher>>;
  /** As long as there is one, every task of the project is followed. Only those admitted are given what changes. */
  readonly projectWatchers: Set<Watcher>;
  readonly admitted: Set<Watcher>;
  readonly pace: Pace;
  recent: Promise<void> | undefined;
}

/** A transaction's change shows later than its `updated_at`: whatever reads recent tasks goes back this much further. */
export const overlapSeconds = 60;

/** Subscribes to the project. */
export function openProjectFeed(bus: Bus, projectId: string): ProjectFeed {
  const taskWatchers = new Map<string, Set<Watcher>>();
  const admitted = new Set<Watcher>();
  const pace = createPace((snapshot) => {
    for (const watcher of taskWatchers.get(snapshot.id) ?? []) watcher.receive(snapshot);
    for (const watcher of admitted) watcher.receive(snapshot);
  });
  const subscription = bus.subscribe(projectId, (snapshot) => offerToAll(feed, snapshot));
  const feed: ProjectFeed = {
    projectId,
    subscription,
    taskWatchers,
    projectWatchers: new Set(),
    admitted,
    pace,
    recent: undefined,
  };
  return feed;
}

/** Gives a snapshot, from wherever it comes, to all that watch its task, unless they have it. */
export function offerToAll(feed: ProjectFeed, snapshot: Snapshot): void {
  if (feed.projectWatchers.size > 0 || feed.taskWatchers.has(snapshot.id)) feed.pace.offer(snapshot);
}

/** Learns what has changed lately, so that it is no news to a watcher of the project that is admitted later, however often it
 *  is read again. */
export async function knowRecent(feed: ProjectFeed, db: Database): Promise<void> {
  const read = async () => {
    for (const task of await readRecentTasks(db, [feed.projectId], overlapSeconds)) offerToAll(feed, task);
  };
  feed.recent ??= read();
  try {
    await feed.recent;
  } catch (error) {
    feed.recent = undefined;
    throw error;
  }
}

export function addTaskWatcher({ taskWatchers }: ProjectFeed, taskId: string, watcher: Watcher): void {
  taskWatchers.set(taskId, (taskWatchers.get(taskId) ?? new Set()).add(watcher));
}

export function removeTaskWatcher(
  { taskWatchers, projectWatchers, pace }: ProjectFeed,
  taskId: string,
  watcher: Watcher,
): void {
  const watchers = taskWatchers.get(taskId);
  watchers?.delete(watcher);
  if (watchers === undefined || watchers.size > 0) return;
  taskWatchers.delete(taskId);
  if (projectWatchers.size === 0) pace.forget(taskId);
}

export function removeProjectWatcher(feed: ProjectFeed, watcher: Watcher): void {
  feed.projectWatchers.delete(watcher);
  feed.admitted.delete(watcher);
  if (feed.projectWatchers.size > 0) return;
  feed.recent = undefined;
  forgetBefore(feed, Number.POSITIVE_INFINITY);
}

/** Forgets the tasks that were last offered before then, except those watched one by one. */
export function forgetBefore({ pace, taskWatchers }: ProjectFeed, offeredMs: number): void {
  pace.forgetBefore(offeredMs, (taskId) => taskWatchers.has(taskId));
}

export function isUnused({ taskWatchers, projectWatchers }: ProjectFeed): boolean {
  return taskWatchers.size === 0 && projectWatchers.size === 0;
}
