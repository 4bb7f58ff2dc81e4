import type { Database } from '../db/client.ts';
import type { Log } from '../log.ts';
import type { Snapshot } from '../tasks/snapshot.ts';
import type { Bus } from './bus.ts';

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
}
