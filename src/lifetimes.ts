import type { Config } from './config.ts';

/** What bounds the streams of every door. */
export interface StreamLimits {
  /** How long a reader may take for what waits for it, before it has to come back. */
  readonly slowReaderMs: number;
  readonly maxAgeMs: number;
  readonly drainMs: number;
}

export function streamLimits(
  config: Pick<Config, 'BULKCAST_CONNECTION_MAX_AGE_SECONDS' | 'BULKCAST_DRAIN_MS'>,
): StreamLimits {
  return {
    slowReaderMs: 30_000,
    maxAgeMs: config.BULKCAST_CONNECTION_MAX_AGE_SECONDS * 1000,
    drainMs: config.BULKCAST_DRAIN_MS,
  };
}

/** How long connections of one kind stay open. */
export interface Lifetimes<Connection> {
  /** From now on it is closed when it has reached its age, which differs a little from one to another. */
  add(connection: Connection): void;
  delete(connection: Connection): void;
  /** Closes all, the oldest first, in slices over at most the window: clients that come back at once come back to others a few
   *  at a time. What is added meanwhile goes last. Resolves when all have been told. May be called twice. */
  drain(): Promise<void>;
}

export interface LifetimeOptions<Connection> {
  /** 0: without end. */
  readonly maxAgeMs: number;
  readonly drainMs: number;
  /** Tells a client to come back. Must not throw. */
  readonly close: (connection: Connection) => void;
}

const sliceMs = 100;
/** So many at once are no crowd. */
const leastSlice = 100;
const sweepMs = 1_000;

export function openLifetimes<Connection>({
  maxAgeMs,
  drainMs,
  close,
}: LifetimeOptions<Connection>): Lifetimes<Connection> {
  /** When each ends, in the order in which they came. */
  const ends = new Map<Connection, number>();
  const closeWhere = (isDue: (endMs: number) => boolean, most = Number.POSITIVE_INFINITY) => {
    let left = most;
    for (const [connection, endMs] of ends) {
      if (!isDue(endMs)) continue;
      if (left-- === 0) return;
      ends.delete(connection);
      close(connection);
    }
  };
  const sweep = setInterval(
    () => closeWhere((endMs) => endMs <= performance.now()),
    Math.min(sweepMs, maxAgeMs || sweepMs),
  );
  sweep.unref();
  const drain = async () => {
    clearInterval(sweep);
    const slices = Math.max(1, Math.floor(drainMs / sliceMs));
    const slice = Math.max(leastSlice, Math.ceil(ends.size / slices));
    const deadlineMs = performance.now() + drainMs;
    closeWhere(() => true, slice);
    while (ends.size > 0 && performance.now() < deadlineMs) {
      await new Promise((resolve) => setTimeout(resolve, sliceMs));
      closeWhere(() => true, slice);
    }
    closeWhere(() => true);
  };
  let drained: Promise<void> | undefined;
  return {
    add: (connection) => {
      const ageMs = maxAgeMs === 0 ? Number.POSITIVE_INFINITY : maxAgeMs * (0.9 + Math.random() / 5);
      ends.set(connection, performance.now() + ageMs);
    },
    delete: (connection) => {
      ends.delete(connection);
    },
    drain: () => (drained ??= drain()),
  };
}
