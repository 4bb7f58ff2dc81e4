import { createLru, type Lru } from '../auth/lru.ts';
import type { Snapshot } from '../tasks/snapshot.ts';
import { isFinal } from '../tasks/state.ts';
import type { Feeds, FeedsDeps, TaskWatch } from './feeds.ts';
import { createTaskReader, type TaskReader } from './task-reader.ts';

/** The tasks that clients ask for again and again, as of at most a second ago; a task's versions only grow. */
export interface PolledTasks {
  /** The project's task, if it can be told without a query. */
  peek(projectId: string, id: string): Snapshot | undefined;
  /** The project's task, undefined when it has none of this id. All that is asked for at the same time shares a query. Rejects
   *  when the database is away. */
  read(projectId: string, id: string): Promise<Snapshot | undefined>;
  /** The task as soon as it `isEnough` or final, or else as it is when the time is up, `signal` aborts or the gateway stops. */
  wait(task: Snapshot, isEnough: (newer: Snapshot) => boolean, until: WaitEnd): Promise<Snapshot>;
  /** Ends every wait. May be called twice. */
  stop(): void;
}

export interface WaitEnd {
  readonly ms: number;
  readonly signal: AbortSignal;
}

export interface PolledTasksDeps extends Pick<FeedsDeps, 'db' | 'bus' | 'log'> {
  readonly feeds: Pick<Feeds, 'watchTask'>;
  /** Told how many waits more or fewer there are. */
  readonly count: (change: 1 | -1) => void;
}

const maxAgeMs = 1_000;
/** From this age on, a poll has the task read again for those that follow. */
const refreshMs = 700;
const idleMs = 10_000;
const sweepMs = 5_000;
/** Beyond so many, others are read at every poll. */
const maxRunning = 20_000;
const maxFinished = 10_000;

interface State {
  readonly deps: PolledTasksDeps;
  readonly reader: TaskReader;
  /** Followed from the first poll until nobody has polled it for a while. */
  readonly running: Map<string, Running>;
  readonly finished: Lru<Snapshot>;
  isStopped: boolean;
}

interface Running {
  task: Snapshot;
  readonly watch: TaskWatch;
  /** When the last read began: a bus that lost a message does not make the task older than this. */
  asOfMs: number;
  polledMs: number;
  isRefreshing: boolean;
  readonly waits: Set<Wait>;
}

interface Wait {
  readonly isEnough: (newer: Snapshot) => boolean;
  readonly end: () => void;
}

/** While the bus is away, each poll reads. */
export function openPolledTasks(deps: PolledTasksDeps): PolledTasks {
  const state: State = {
    deps,
    reader: createTaskReader(deps.db),
    running: new Map(),
    finished: createLru(maxFinished),
    isStopped: false,
  };
  const sweep = setInterval(() => leaveIdle(state), sweepMs).unref();
  return {
    peek: (projectId, id) => peek(state, projectId, id),
    read: async (projectId, id) => peek(state, projectId, id) ?? (await readNow(state, projectId, id)),
    wait: (task, isEnough, until) => wait(state, task, isEnough, until),
    stop: () => {
      state.isStopped = true;
      clearInterval(sweep);
      for (const known of state.running.values()) {
        for (const { end } of known.waits) end();
        leave(state, known);
      }
    },
  };
}

function peek(state: State, projectId: string, id: string): Snapshot | undefined {
  const known = state.running.get(id);
  const task = known?.task ?? state.finished.get(id);
  if (task?.projectId !== projectId) return undefined;
  if (known === undefined) return task;
  const nowMs = performance.now();
  const ageMs = nowMs - known.asOfMs;
  known.polledMs = nowMs;
  if (ageMs > maxAgeMs || !state.deps.bus.isUp()) return undefined;
  if (ageMs > refreshMs && !known.isRefreshing) void refresh(state, known);
  return known.task;
}

async function refresh(state: State, known: Running): Promise<void> {
  known.isRefreshing = true;
  try {
    await readNow(state, known.task.projectId, known.task.id);
  } catch (error) {
    // A poll that needs it reads it again, and is told.
    state.deps.log.debug('polls.refresh_failed', { error });
  } finally {
    known.isRefreshing = false;
  }
}

async function readNow(state: State, projectId: string, id: string): Promise<Snapshot | undefined> {
  const asOfMs = performance.now();
  const task = await state.reader.read(id);
  if (task?.projectId !== projectId) return undefined;
  const known = state.running.get(id);
  if (known !== undefined) {
    known.asOfMs = Math.max(known.asOfMs, asOfMs);
    receive(state, known, task);
    return known.task;
  }
  if (isFinal(task.state)) state.finished.set(id, task);
  else if (state.running.size < maxRunning) follow(state, task, asOfMs);
  return task;
}

function follow(state: State, task: Snapshot, asOfMs: number): Running {
  const receiveNewer = (newer: Snapshot) => receive(state, known, newer);
  const known: Running = {
    task,
    watch: state.deps.feeds.watchTask(task.projectId, task.id, receiveNewer),
    asOfMs,
    polledMs: performance.now(),
    isRefreshing: false,
    waits: new Set(),
  };
  if (state.isStopped) known.watch.leave();
  else state.running.set(task.id, known);
  return known;
}

function receive(state: State, known: Running, task: Snapshot): void {
  if (task.version <= known.task.version) return;
  known.task = task;
  const isOver = isFinal(task.state);
  if (isOver) {
    leave(state, known);
    state.finished.set(task.id, task);
  }
  for (const { isEnough, end } of known.waits) if (isOver || isEnough(task)) end();
}

async function wait(
  state: State,
  task: Snapshot,
  isEnough: (newer: Snapshot) => boolean,
  { ms, signal }: WaitEnd,
): Promise<Snapshot> {
  if (isFinal(task.state) || state.isStopped || signal.aborted) return task;
  const newest = peek(state, task.projectId, task.id);
  if (newest !== undefined && (isFinal(newest.state) || isEnough(newest))) return newest;
  // What was read a moment ago; what comes in between is found by the feed's own reads.
  const known = state.running.get(task.id) ?? follow(state, task, performance.now());
  const over = Promise.withResolvers<void>();
  const entry: Wait = { isEnough, end: over.resolve };
  const timeout = setTimeout(over.resolve, ms);
  signal.addEventListener('abort', entry.end);
  known.waits.add(entry);
  state.deps.count(1);
  try {
    await over.promise;
  } finally {
    state.deps.count(-1);
    known.waits.delete(entry);
    signal.removeEventListener('abort', entry.end);
    clearTimeout(timeout);
    known.polledMs = performance.now();
  }
  if (isFinal(known.task.state) || isEnough(known.task) || signal.aborted || state.isStopped) return known.task;
  return peek(state, task.projectId, task.id) ?? (await readNow(state, task.projectId, task.id)) ?? known.task;
}

function leaveIdle(state: State): void {
  const beforeMs = performance.now() - idleMs;
  for (const known of state.running.values()) {
    if (known.waits.size === 0 && known.polledMs < beforeMs) leave(state, known);
  }
}

function leave(state: State, known: Running): void {
  known.watch.leave();
  if (state.running.get(known.task.id) === known) state.running.delete(known.task.id);
}
