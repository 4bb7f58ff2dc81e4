import type { Log } from '../log.ts';

export interface Reconciler {
  /** Runs at once, and once more if it is running. */
  soon(): void;
  /** Waits for the run in hand. */
  stop(): Promise<void>;
}

/** Runs every 2 s, one run at a time; after a failure, logged once an outage, every half second until it works again. */
export function startReconciler(log: Log, run: () => Promise<void>): Reconciler {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let isWanted = false;
  let isFailing = false;
  let isStopped = false;

  const attempt = async () => {
    try {
      await run();
      if (isFailing) log.info('feeds.reconciled');
      isFailing = false;
    } catch (error) {
      if (!isFailing && !isStopped) log.warn('feeds.reconcile_failed', { error });
      isFailing = true;
    }
  };
  const start = () => {
    clearTimeout(timer);
    isWanted = running !== undefined;
    if (isStopped || isWanted) return;
    running = attempt().then(() => {
      running = undefined;
      if (!isStopped) timer = setTimeout(start, isWanted ? 0 : isFailing ? retryMs : intervalMs);
    });
  };
  timer = setTimeout(start, intervalMs);
  return {
    soon: start,
    stop: async () => {
      isStopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}

const intervalMs = 2_000;
const retryMs = 500;
