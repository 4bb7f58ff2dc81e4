import { EventEmitter } from 'node:events';
import type { Server } from 'node:http';
import { createLog } from '../../src/log.ts';
import { openRedisBus } from '../../src/progress/redis-bus.ts';
import { estimatedCompletionOf, progressOf, rateOf, type Snapshot } from '../../src/tasks/snapshot.ts';

/** What resolvers of a peer return for a task: every field of a document, ready. */
export type View = ReturnType<typeof toView>;

export interface Views {
  /** The newest of each task: what a new subscriber gets first. */
  readonly latest: ReadonlyMap<string, View>;
  /** Emits each view under its task's id. */
  readonly changes: EventEmitter<Record<string, [View]>>;
}

/** Follows the project of `PROJECT_ID` on the bus at `REDIS_URL`, as a gateway does. */
export async function followProject(): Promise<Views> {
  const { PROJECT_ID = '', REDIS_URL = '' } = process.env;
  const latest = new Map<string, View>();
  const changes = new EventEmitter<Record<string, [View]>>();
  changes.setMaxListeners(0);
  const bus = openRedisBus({ url: REDIS_URL, log: createLog('warn'), failed: () => undefined });
  await bus.subscribe(PROJECT_ID, (snapshot) => {
    const view = toView(snapshot);
    latest.set(view.id, view);
    changes.emit(view.id, view);
  });
  return { latest, changes };
}

/** Tells whoever started this process where it listens. */
export function announce(port: number): void {
  process.stdout.write(`${JSON.stringify({ event: 'gateway.listening', url: `http://127.0.0.1:${port}` })}\n`);
}

/** Listens on a free port of 127.0.0.1 and announces it. */
export function listenAndAnnounce(server: Server): void {
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    announce(typeof address === 'object' && address !== null ? address.port : 0);
  });
}

/** What resolvers of a peer return for a task. */
export function toView(snapshot: Snapshot) {
  const { id, state, version, total, processed, succeeded, failed } = snapshot;
  return {
    __typename: 'BulkIssuanceTask',
    id,
    state,
    version,
    progress: progressOf(snapshot),
    counts: { total, processed, succeeded, failed },
    ratePerSecond: rateOf(snapshot),
    createdAt: snapshot.createdAt,
    startedAt: snapshot.startedAt,
    updatedAt: snapshot.updatedAt,
    completedAt: snapshot.completedAt,
    estimatedCompletionAt: estimatedCompletionOf(snapshot),
  };
}
