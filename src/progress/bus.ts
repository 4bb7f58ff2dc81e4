import type { SharedCounter } from '../limits/counter.ts';
import type { Snapshot } from '../tasks/snapshot.ts';

/**
 * Carries snapshots between processes, one channel a project. A message is a hint that may be lost: the row is the truth,
 * and whoever watches reads it again after `interrupted` and every few seconds.
 */
export interface Bus {
  /** Sends a committed snapshot on its way. Never throws and never waits; a failure is logged and counted. */
  publish(snapshot: Snapshot): void;
  /** Listens to a project; resolves once nothing published from then on is missed, or the bus is known to be away. */
  subscribe(projectId: string, listener: (snapshot: Snapshot) => void): Promise<Subscription>;
  /** Calls `listener` when messages may have been lost: as soon as the bus is back after it was away. */
  onInterrupted(listener: () => void): void;
  /** False while the bus is away. */
  isUp(): boolean;
  /** Counts for all processes that share the bus; undefined where it has but one. */
  readonly counter?: SharedCounter;
  stop(): Promise<void>;
}

export interface Subscription {
  /** The last one to leave closes the channel. May be called twice. */
  unsubscribe(): Promise<void>;
}
