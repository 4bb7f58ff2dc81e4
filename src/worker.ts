import type { App } from './app.ts';
import { giveUpChunk, runChunk } from './tasks/run.ts';

/** Takes jobs until the app stops; the app's stop waits for the chunks in hand. */
export async function startWorker(app: App): Promise<void> {
  const slots = app.config.BULKCAST_WORKER_SLOTS;
  await app.engine.jobs.work(
    slots,
    (job) => runChunk(app.engine, job),
    (job) => giveUpChunk(app.engine, job),
  );
  app.log.info('worker.started', { slots });
}
