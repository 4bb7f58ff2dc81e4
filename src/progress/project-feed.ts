import type { Database } from '../db/client.ts';
import type { Snapshot } from '../tasks/snapshot.ts';
import { readRecentTasks } from '../tasks/store.ts';
import type { Bus, Subscription } from './bus.ts';
import { createPace, type Pace } from './pace.ts';
import type { Watch } from './watch.ts';

/** What a gateway watches of one project, over one subscription to the bus. */
export interface ProjectFeed {
  readonly projectId: string;
  /** Settled when all that is published from then on comes in. */
  readonly subscription: Promise<Subscription>;
  readonly taskWatches: Map<string, Set<Watch>>;
  /** As long as there is one, every task of the project is followed. Only those admitted are given what changes. */
  readonly projectWatches: Set<Watch>;
  readonly admitted: Set<Watch>;
  readonly pace: Pace;
  recent: Promise<void> | undefined;
}

/** A transaction's change shows later than its `updated_at`: whatever reads recent tasks goes back this much further. */
export const overlapSeconds = 60;

/** Subscribes to the project. */
export function openProjectFeed(bus: Bus, projectId: string): ProjectFeed {
  const taskWatches = new Map<string, Set<Watch>>();
  const admitted = new Set<Watch>();
  const pace = createPace((snapshot) => {
    for (const watch of taskWatches.get(snapshot.id) ?? []) watch.offer(snapshot);
    for (const watch of admitted) watch.offer(snapshot);
  });
  const subscription = bus.subscribe(projectId, (snapshot) => offerToAll(feed, snapshot));
  const feed: ProjectFeed = {
    projectId,
    subscription,
    taskWatches,
    projectWatches: new Set(),
    admitted,
    pace,
    recent: undefined,
  };
  return feed;
}

/** Gives a snapshot, from wherever it comes, to all that watch its task, unless they have it. */
export function offerToAll(feed: ProjectFeed, snapshot: Snapshot): void {
  if (feed.projectWatches.size > 0 || feed.taskWatches.has(snapshot.id)) feed.pace.offer(snapshot);
}

/** Learns what has changed lately, so that it is no news to a watch of the project that is admitted later, however often it
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

export function addTaskWatch({ taskWatches }: ProjectFeed, taskId: string, watch: Watch): void {
  taskWatches.set(taskId, (taskWatches.get(taskId) ?? new Set()).add(watch));
}

export function removeTaskWatch(
  { taskWatches, projectWatches, pace }: ProjectFeed,
  taskId: string,
  watch: Watch,
): void {
  const watches = taskWatches.get(taskId);
  watches?.delete(watch);
  if (watches === undefined || watches.size > 0) return;
  taskWatches.delete(taskId);
  if (projectWatches.size === 0) pace.forget(taskId);
}

export function removeProjectWatch(feed: ProjectFeed, watch: Watch): void {
  feed.projectWatches.delete(watch);
  feed.admitted.delete(watch);
  if (feed.projectWatches.size > 0) return;
  feed.recent = undefined;
  forgetBefore(feed, Number.POSITIVE_INFINITY);
}

/** Forgets the tasks that were last offered before then, except those watched one by one. */
export function forgetBefore({ pace, taskWatches }: ProjectFeed, offeredMs: number): void {
  pace.forgetBefore(offeredMs, (taskId) => taskWatches.has(taskId));
}

export function isUnused({ taskWatches, projectWatches }: ProjectFeed): boolean {
  return taskWatches.size === 0 && projectWatches.size === 0;
}

export function watchesOf({ taskWatches, projectWatches }: ProjectFeed): Watch[] {
  return [...projectWatches, ...[...taskWatches.values()].flatMap((watches) => [...watches])];
}
