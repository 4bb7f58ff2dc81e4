import type { Writable } from 'node:stream';

/** A connection that streams are written to. What waits in it for a slow reader stays small: see `Outlets`. */
export interface Outlet {
  readonly stream: Writable;
  /** Since when it takes nothing more. */
  blockedMs: number | undefined;
  /** Who could not write since then. */
  waiting: Set<Resumable> | undefined;
}

export interface Resumable {
  resume(): void;
}

/** The outlets of one kind of connection. */
export interface Outlets<Kind extends Outlet> {
  /** False when what was written before has not been taken yet; then `writer.resume` is called when it has. */
  accepts(outlet: Kind, writer: Resumable): boolean;
  /** To be called when it accepts, and for a last word. */
  write(outlet: Kind, chunk: Buffer): void;
  /** When the connection is closed; may be called twice. */
  forget(outlet: Kind): void;
  stop(): void;
}

export interface OutletLimits<Kind extends Outlet> {
  /** How long a reader may take for what waits for it. */
  readonly slowReaderMs: number;
  /** Closes the connection of one that takes longer. */
  readonly giveUp: (outlet: Kind) => void;
}

export function openOutlets<Kind extends Outlet>(limits: OutletLimits<Kind>): Outlets<Kind> {
  const blocked = new Set<Kind>();
  const sweep = setInterval(() => giveUpSlow(blocked, limits), Math.min(sweepMs, limits.slowReaderMs));
  return {
    accepts: (outlet, writer) => {
      if (outlet.blockedMs === undefined) return true;
      outlet.waiting ??= new Set();
      outlet.waiting.add(writer);
      return false;
    },
    write: (outlet, chunk) => {
      const { stream } = outlet;
      if (stream.writableLength === 0 || outlet.blockedMs !== undefined) {
        stream.write(chunk);
        return;
      }
      // The one before is still on its way: this one is the last until it is through too.
      outlet.blockedMs = performance.now();
      blocked.add(outlet);
      stream.write(chunk, () => unblock(blocked, outlet));
    },
    forget: (outlet) => {
      blocked.delete(outlet);
      outlet.waiting = undefined;
    },
    stop: () => clearInterval(sweep),
  };
}

const sweepMs = 1_000;

function unblock<Kind extends Outlet>(blocked: Set<Kind>, outlet: Kind): void {
  const { waiting } = outlet;
  blocked.delete(outlet);
  outlet.blockedMs = undefined;
  outlet.waiting = undefined;
  for (const writer of waiting ?? []) writer.resume();
}

function giveUpSlow<Kind extends Outlet>(blocked: Set<Kind>, { slowReaderMs, giveUp }: OutletLimits<Kind>): void {
  const beforeMs = performance.now() - slowReaderMs;
  for (const outlet of blocked) {
    if (outlet.blockedMs === undefined || outlet.blockedMs > beforeMs) continue;
    blocked.delete(outlet);
    giveUp(outlet);
  }
}
