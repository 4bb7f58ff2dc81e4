import type { Snapshot } from '../tasks/snapshot.ts';
import { isFinal } from '../tasks/state.ts';

/** Lets through ever newer snapshots of each task: the first and the final at once, others at most one in 100 ms. */
export interface Pace {
  offer(snapshot: Snapshot): void;
  /** Drops the task with what waits of it; offered again, any version counts as new. */
  forget(taskId: string): void;
  /** Forgets the tasks last offered before then, newer or not, except those to keep. */
  forgetBefore(offeredMs: number, isKept: (taskId: string) => boolean): void;
}

/** `emit` must not throw. Times are those of `performance.now()`. */
export function createPace(emit: (snapshot: Snapshot) => void): Pace {
  const tasks = new Map<string, PacedTask>();
  const forget = (taskId: string) => {
    clearTimeout(tasks.get(taskId)?.timer);
    tasks.delete(taskId);
  };
  return {
    offer: (snapshot) => {
      const known = tasks.get(snapshot.id);
      const task = known ?? newTask();
      if (known === undefined) tasks.set(snapshot.id, task);
      advance(task, snapshot, emit);
    },
    forget,
    forgetBefore: (offeredMs, isKept) => {
      for (const [taskId, task] of tasks) {
        if (task.offeredMs < offeredMs && !isKept(taskId)) forget(taskId);
      }
    },
  };
}

const intervalMs = 100;

interface PacedTask {
  version: number;
  offeredMs: number;
  emittedMs: number;
  waiting: Snapshot | undefined;
  timer: NodeJS.Timeout | undefined;
}

function newTask(): PacedTask {
  return { version: 0, offeredMs: 0, emittedMs: Number.NEGATIVE_INFINITY, waiting: undefined, timer: undefined };
}

function advance(task: PacedTask, snapshot: Snapshot, emit: (snapshot: Snapshot) => void): void {
  const nowMs = performance.now();
  task.offeredMs = nowMs;
  if (snapshot.version <= task.version) return;
  task.version = snapshot.version;
  task.waiting = snapshot;
  const waitMs = isFinal(snapshot.state) ? 0 : task.emittedMs + intervalMs - nowMs;
  if (waitMs <= 0) release(task, emit);
  else task.timer ??= setTimeout(release, waitMs, task, emit);
}

function release(task: PacedTask, emit: (snapshot: Snapshot) => void): void {
  if (task.timer !== undefined) clearTimeout(task.timer);
  const { waiting } = task;
  task.waiting = undefined;
  task.timer = undefined;
  task.emittedMs = performance.now();
  if (waiting !== undefined) emit(waiting);
}
