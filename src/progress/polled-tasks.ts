import { createLru, type Lru } from '../lru.ts';
import type { Snapshot } from '../tasks/snapshot.ts';
import { isFinal } from '../tasks/state.ts';
import { readTasks } from '../tasks/store.ts';
import type { Feeds, FeedsDeps, TaskWatch } from './feeds.ts';
import { readVersions } from './task-versions.ts';

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

export interface PolledTasksDeps extends Pick<FeedsDeps, 'db' | 'reader' | 'bus' | 'log'> {
  readonly feeds: Pick<Feeds, 'watchTask'>;
  /** Told how many waits more or fewer there are. */
  readonly count: (change: 1 | -1) => void;
}

const maxAgeMs = 1_000;
/** How often all that is polled is checked, in one query: a bus that lost a message must not make a task older than a second. */
const checkMs = 600;
/** Longer than a client is ever told to stay away. */
const idleMs = 60_000;
/** Beyond so many, others are read at every poll. */
const maxRunning = 20_000;
const maxFinished = 10_000;
/** A task that has ended does not change, but one day it expires. */
const finishedMs = 30_000;

interface State {
  readonly deps: PolledTasksDeps;
  /** Followed from the first poll until nobody has polled it for a while. */
  readonly running: Map<string, Running>;
  readonly finished: Lru<{ readonly task: Snapshot; readonly untilMs: number }>;
  isChecking: boolean;
  isStopped: boolean;
}

interface Running {
  task: Snapshot;
  readonly watch: TaskWatch;
  /** When the last read or check began. */
  asOfMs: number;
  polledMs: number;
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
    running: new Map(),
    finished: createLru(maxFinished),
    isChecking: false,
    isStopped: false,
  };
  const checks = setInterval(() => void check(state), checkMs).unref();
  return {
    peek: (projectId, id) => peek(state, projectId, id),
    read: async (projectId, id) => peek(state, projectId, id) ?? (await readNow(state, projectId, id)),
    wait: (task, isEnough, until) => wait(state, task, isEnough, until),
    stop: () => {
      state.isStopped = true;
      clearInterval(checks);
      for (const known of state.running.values()) {
        for (const { end } of known.waits) end();
        leave(state, known);
      }
    },
  };
}

function peek(state: State, projectId: string, id: string): Snapshot | undefined {
  const known = state.running.get(id);
  const nowMs = performance.now();
  if (known === undefined) {
    const ended = state.finished.get(id);
    return ended?.task.projectId === projectId && ended.untilMs > nowMs ? ended.task : undefined;
  }
  if (known.task.projectId !== projectId) return undefined;
  const ageMs = nowMs - known.asOfMs;
  known.polledMs = nowMs;
  return ageMs <= maxAgeMs && state.deps.bus.isUp() ? known.task : undefined;
}

/** Leaves what nobody polls any more, and reads of all else what is newer than is known. */
async function check(state: State): Promise<void> {
  const { db, log } = state.deps;
  leaveIdle(state);
  if (state.isChecking || state.running.size === 0) return;
  state.isChecking = true;
  try {
    const asOfMs = performance.now();
    const versions = await readVersions(db, [...state.running.keys()]);
    const newer: string[] = [];
    for (const { id, version } of versions) {
      const known = state.running.get(id);
      if (known === undefined) continue;
      if (known.task.version >= version) known.asOfMs = Math.max(known.asOfMs, asOfMs);
      else newer.push(id);
    }
    if (newer.length > 0) for (const task of await readTasks(db, newer)) learn(state, task, asOfMs);
  } catch (error) {
    // Polls read what is too old, and are told that they cannot.
    log.debug('polls.check_failed', { error });
  } finally {
    state.isChecking = false;
  }
}

async function readNow(state: State, projectId: string, id: string): Promise<Snapshot | undefined> {
  const asOfMs = performance.now();
  const task = await state.deps.reader.read(id);
  return task?.projectId === projectId ? learn(state, task, asOfMs) : undefined;
}

/** The newest that is known, with what was read. */
function learn(state: State, task: Snapshot, asOfMs: number): Snapshot {
  const { id } = task;
  const known = state.running.get(id);
  if (known !== undefined) {
    known.asOfMs = Math.max(known.asOfMs, asOfMs);
    receive(state, known, task);
    return known.task;
  }
  if (isFinal(task.state)) keepFinished(state, task);
  else if (state.running.size < maxRunning) follow(state, task, asOfMs);
  return task;
}

function keepFinished({ finished }: State, task: Snapshot): void {
  finished.set(task.id, { task, untilMs: performance.now() + finishedMs });
}

function follow(state: State, task: Snapshot, asOfMs: number): Running {
  const receiveNewer = (newer: Snapshot) => receive(state, known, newer);
  const known: Running = {
    task,
    watch: state.deps.feeds.watchTask(task.projectId, task.id, receiveNewer),
    asOfMs,
    polledMs: performance.now(),
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
    keepFinished(state, task);
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
