import type { SharedCounter } from '../limits/counter.ts';
import type { Log } from '../log.ts';
import type { Place } from './channels.ts';

/** The connections that a bus runs over: to one Redis, or to the primaries of a cluster. */
export interface RedisLinks extends SharedCounter {
  /** Settled once all is up, or known to be away. */
  readonly isKnown: Promise<unknown>;
  isUp(): boolean;
  /** Where the channel of a project belongs now; undefined while nothing can be opened there. */
  placeOf(projectId: string): Place | undefined;
  /** Rejects with an OutageError when nobody is there to take it, else with what the server says. */
  publish(projectId: string, text: string): Promise<unknown>;
  /** To be called once a second: finds out whether all is still there. */
  beat(): void;
  stop(): Promise<void>;
}

export interface LinkHooks {
  readonly log: Log;
  readonly received: (projectId: string, text: string) => void;
  /** Opens, moves and closes channels where they differ from what is wanted. Never rejects. */
  readonly settle: () => Promise<void>;
  /** Messages may have been lost, and from now on come again. */
  readonly back: () => void;
}

/** Redis is away, which its connection has logged. */
export class OutageError extends Error {
  override readonly name = 'OutageError';
}
