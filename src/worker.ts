import type { App } from './app.ts';
import type { Config } from './config.ts';
import { giveUpChunk, runChunk } from './tasks/run.ts';
import { handOutWaiting } from './tasks/turns.ts';
import { findCrowded } from './webhooks/attempts.ts';
import { deliver } from './webhooks/deliver.ts';
import { createWebhooks } from './webhooks/webhooks.ts';

type WorkerDeps = Pick<App, 'engine' | 'log'> & { readonly config: Pick<Config, 'BULKCAST_WORKER_SLOTS'> };

/** Takes jobs until the app stops; the app's stop waits for the chunks in hand. */
export async function startWorker({ engine, log, config }: WorkerDeps): Promise<void> {
  const slots = config.BULKCAST_WORKER_SLOTS;
  await engine.jobs.work(
    slots,
    (job, tries) => runChunk(engine, job, tries),
    (job) => giveUpChunk(engine, job),
  );
  await handOutWaiting(engine);
  log.info('worker.started', { slots });
}

/** Sends webhooks until the app stops; the app's stop waits a while for the receivers in hand. */
export function startDeliveries({ engine, log, metrics, config }: App, secret: string): void {
  const deps = { ...createWebhooks(engine, secret, config.BULKCAST_WEBHOOK_NETWORKS), log, metrics };
  engine.jobs.deliveries.work(
    (job, signal) => deliver(deps, job, signal),
    (endpointIds, max) => findCrowded(engine.db, endpointIds, max),
  );
}
