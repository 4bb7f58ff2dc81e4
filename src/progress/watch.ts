import { ClientError } from '../errors.ts';
import type { Snapshot } from '../tasks/snapshot.ts';
import { isFinal } from '../tasks/state.ts';

/** The end of a feed that one reader holds. Only the newest snapshot of a task waits for it. */
export interface Watch extends AsyncIterable<Snapshot, undefined> {
  /** Hands on a snapshot; never throws and never waits. */
  offer(snapshot: Snapshot): void;
  /** Ends it at once: what waits is dropped, whoever reads is told. May be called twice. */
  end(): void;
  /** Nothing more can be read. */
  readonly isOver: boolean;
  /** Settled when it is over. */
  readonly over: Promise<void>;
}

export interface WatchOptions {
  /** Ends the watch. Must not be aborted already. */
  readonly signal: AbortSignal;
  /** Called once, as soon as the watch takes nothing more, although a last snapshot may still wait for its reader. */
  readonly released: () => void;
}

/** Hands out ever newer versions of one task, all newer than `afterVersion`, and ends with the final one. */
export function openTaskWatch(options: WatchOptions & { readonly afterVersion: number }): Watch {
  let newest = options.afterVersion;
  return openWatch({
    ...options,
    accepts: ({ version }) => {
      const isNewer = version > newest;
      newest = Math.max(newest, version);
      return isNewer;
    },
    isLast: (snapshot) => isFinal(snapshot.state),
  });
}

/**
 * Hands out the newest snapshot of every task that matches. A task that changes again keeps its place, so that a busy one
 * cannot hold up the others. A reader that lets 10,000 tasks wait gets UNAVAILABLE instead: leaving one out would be a lie.
 */
export function openProjectWatch(options: WatchOptions & { readonly matches: (snapshot: Snapshot) => boolean }): Watch {
  return openWatch({ ...options, accepts: options.matches, isLast: () => false });
}

const maxWaiting = 10_000;

interface Rules extends WatchOptions {
  accepts(snapshot: Snapshot): boolean;
  isLast(snapshot: Snapshot): boolean;
}

type Result = IteratorResult<Snapshot, undefined>;

interface State {
  readonly rules: Rules;
  /** The newest snapshot of each task that has not been read. */
  readonly waiting: Map<string, Snapshot>;
  readonly readers: PromiseWithResolvers<Result>[];
  readonly over: PromiseWithResolvers<void>;
  readonly onAbort: () => void;
  isReleased: boolean;
  isOver: boolean;
  problem: { readonly error: unknown } | undefined;
}

function openWatch(rules: Rules): Watch {
  const state: State = {
    rules,
    waiting: new Map(),
    readers: [],
    over: Promise.withResolvers(),
    onAbort: () => end(state),
    isReleased: false,
    isOver: false,
    problem: undefined,
  };
  rules.signal.addEventListener('abort', state.onAbort);
  const iterator: AsyncIterator<Snapshot, undefined> = {
    next: () => next(state),
    return: async () => {
      end(state);
      return { done: true, value: undefined };
    },
  };
  return {
    offer: (snapshot) => offer(state, snapshot),
    end: () => end(state),
    get isOver() {
      return state.isOver;
    },
    over: state.over.promise,
    [Symbol.asyncIterator]: () => iterator,
  };
}

function offer(state: State, snapshot: Snapshot): void {
  if (state.isReleased) return;
  try {
    if (state.rules.accepts(snapshot)) state.waiting.set(snapshot.id, snapshot);
    if (state.waiting.size > maxWaiting) throw tooSlow();
    if (state.rules.isLast(snapshot)) release(state);
  } catch (error) {
    state.waiting.clear();
    state.problem = { error };
    release(state);
  }
  serve(state);
}

async function next(state: State): Promise<Result> {
  if (state.isOver) return { done: true, value: undefined };
  const reader = Promise.withResolvers<Result>();
  state.readers.push(reader);
  serve(state);
  return reader.promise;
}

/** Gives what waits to those who read, and the end when that was all. */
function serve(state: State): void {
  const { waiting, readers, problem } = state;
  for (const [id, snapshot] of waiting) {
    const reader = readers.shift();
    if (reader === undefined) return;
    waiting.delete(id);
    reader.resolve({ done: false, value: snapshot });
  }
  if (!state.isReleased || (problem !== undefined && readers.length === 0)) return;
  if (problem !== undefined) readers.shift()?.reject(problem.error);
  end(state);
}

function release(state: State): void {
  if (state.isReleased) return;
  state.isReleased = true;
  state.rules.released();
}

function end(state: State): void {
  if (state.isOver) return;
  state.isOver = true;
  state.waiting.clear();
  state.rules.signal.removeEventListener('abort', state.onAbort);
  release(state);
  for (const reader of state.readers.splice(0)) reader.resolve({ done: true, value: undefined });
  state.over.resolve();
}

function tooSlow(): ClientError {
  const message = `${maxWaiting} changed tasks wait for this subscriber; subscribe again and read the list of tasks`;
  return new ClientError('UNAVAILABLE', message);
}
