import { ClientError } from './errors.ts';

/** Lets so many in at a time; others wait in line. */
export interface Gate {
  /** Throws UNAVAILABLE to whom would stand behind too many, or has waited too long. Who got in has to leave. */
  enter(): Promise<void>;
  leave(): void;
  isIdle(): boolean;
}

export interface GateBounds {
  readonly max: number;
  readonly maxWaiting: number;
  readonly maxWaitMs: number;
}

export function createGate({ max, maxWaiting, maxWaitMs }: GateBounds): Gate {
  let inside = 0;
  // A Set keeps the order in which they came.
  const waiting = new Set<() => void>();
  const wait = () => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const giveUp = setTimeout(() => {
      waiting.delete(letIn);
      reject(tooBusy());
    }, maxWaitMs);
    const letIn = () => {
      clearTimeout(giveUp);
      resolve();
    };
    waiting.add(letIn);
    return promise;
  };
  return {
    enter: async () => {
      if (inside < max) inside += 1;
      else if (waiting.size >= maxWaiting) throw tooBusy();
      else await wait();
    },
    leave: () => {
      const [next] = waiting;
      if (next === undefined) {
        inside -= 1;
        return;
      }
      // The place goes from one to the other.
      waiting.delete(next);
      next();
    },
    isIdle: () => inside === 0,
  };
}

function tooBusy(): ClientError {
  return new ClientError('UNAVAILABLE', 'The project reads too much at a time; try again in a moment');
}
