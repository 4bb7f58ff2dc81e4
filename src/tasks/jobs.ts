import { fromKysely, type JobWithMetadata, PgBoss } from 'pg-boss';
import type { Tx } from '../db/client.ts';
import type { Log } from '../log.ts';
import { type DeliveryJobs, openDeliveryJobs } from './delivery-jobs.ts';
import { RedactedError } from './faults.ts';

/** What a worker is asked to do: apply one chunk of one task; null: end a task that is being canceled. */
export interface ChunkJob {
  readonly taskId: string;
  readonly chunk: number | null;
}

/** The job queue, in the same database as the tasks: pg-boss keeps, leases, retries and dead-letters the jobs. */
export interface Jobs {
  /** One job a chunk, committed or lost with the transaction; the lowest turn runs first. */
  enqueue(tx: Tx, jobs: readonly (ChunkJob & { readonly turn: number })[]): Promise<void>;
  /** Calls `run` for the chunks of jobs, at most `slots` at a time, until stop; a throw is retried, then handed to `giveUp`. */
  work(slots: number, run: RunChunk, giveUp: GiveUp): Promise<void>;
  /** The queue of webhooks. */
  readonly deliveries: DeliveryJobs;
  /** Takes no new job, waits for those in hand up to the bound, closes the connections. May be called twice. */
  stop(timeoutMs: number): Promise<void>;
}

type RunChunk = (job: ChunkJob, tries: number) => Promise<void>;
type GiveUp = (job: ChunkJob) => Promise<void>;

export interface JobsOptions {
  readonly databaseUrl: string;
  /** Workers also find and give back the jobs of dead workers; a gateway only enqueues. */
  readonly role: 'worker' | 'gateway';
  readonly slots: number;
  readonly log: Log;
}

const chunkQueue = 'chunks';
const deadQueue = 'chunks.dead';

/** A worker that has not been heard of for 10 s is dead (the least pg-boss allows). */
const heartbeatSeconds = 10;
const superviseIntervalSeconds = 2;
/** A receiver that takes longer gets its message again. */
const deliveriesStopMs = 2_000;

export async function openJobs(options: JobsOptions): Promise<Jobs> {
  const works = options.role === 'worker';
  const boss = new PgBoss({
    connectionString: options.databaseUrl,
    application_name: `bulkcast jobs ${options.role}`,
    max: works ? options.slots + 4 : 2,
    supervise: works,
    schedule: false,
    superviseIntervalSeconds,
    monitorIntervalSeconds: superviseIntervalSeconds,
    useListenNotify: works,
    connectionTimeoutMillis: 10_000,
  });
  boss.on('error', (error) => options.log.warn('jobs.error', { error }));
  boss.on('warning', (warning) => options.log.debug('jobs.warning', { warning }));
  await boss.start();
  await createQueues(boss);
  const deliveries = await openDeliveryJobs(boss, options.log);
  const stop = async (timeoutMs: number) => {
    const deadlineMs = performance.now() + timeoutMs;
    await deliveries.stop(Math.min(timeoutMs / 2, deliveriesStopMs));
    await boss.stop({ graceful: true, timeout: Math.max(deadlineMs - performance.now(), 1000) });
  };
  let stopped: Promise<void> | undefined;
  return {
    deliveries,
    enqueue: (tx, jobs) => enqueue(boss, tx, jobs),
    work: (slots, run, giveUp) => work(boss, slots, run, giveUp),
    stop: (timeoutMs) => (stopped ??= stop(timeoutMs)),
  };
}

async function createQueues(boss: PgBoss): Promise<void> {
  await boss.createQueue(deadQueue, { retryLimit: 1_000_000, retryDelay: 1, retryBackoff: true, retryDelayMax: 60 });
  await boss.createQueue(chunkQueue, workQueue);
  // A queue that is there already stays as it was created.
  await boss.updateQueue(chunkQueue, { retryLimit: workQueue.retryLimit });
}

const workQueue = {
  notify: true,
  heartbeatSeconds,
  expireInSeconds: 600,
  // About a day: an outage passes. What does not pass is given up much earlier, by who runs it.
  retryLimit: 3_000,
  retryDelay: 1,
  retryBackoff: true,
  retryDelayMax: 30,
  deadLetter: deadQueue,
  deleteAfterSeconds: 600,
  retentionSeconds: 30 * 24 * 3600,
} as const;

async function enqueue(boss: PgBoss, tx: Tx, jobs: readonly (ChunkJob & { readonly turn: number })[]): Promise<void> {
  const inserts = jobs.map(({ taskId, chunk, turn }) => ({
    data: { taskId, chunk } satisfies ChunkJob,
    priority: Math.max(-turn, leastPriority),
  }));
  await boss.insert(chunkQueue, inserts, { db: fromKysely(tx) });
}

/** Of an int4. Turns begin at 0 again whenever the queue is empty. */
const leastPriority = -(2 ** 31);

async function work(boss: PgBoss, slots: number, run: RunChunk, giveUp: GiveUp): Promise<void> {
  for (let slot = 0; slot < slots; slot += 1) await workOneSlot(boss, run);
  await boss.work<ChunkJob>(deadQueue, { pollingIntervalSeconds: 2 }, async (jobs) => {
    for (const { data } of jobs) await giveUp(data);
  });
}

/** pg-boss sleeps a polling interval after each job unless it is told that there is more, so each slot is a worker of its
 *  own that tells itself. */
async function workOneSlot(boss: PgBoss, run: RunChunk): Promise<void> {
  let workerId: string | undefined;
  const options = { pollingIntervalSeconds: 0.5, notifyPollingIntervalSeconds: 2, includeMetadata: true } as const;
  workerId = await boss.work(chunkQueue, options, async (jobs: JobWithMetadata<ChunkJob>[]) => {
    try {
      for (const job of jobs) await run(job.data, job.retryCount + 1);
    } catch (error) {
      // pg-boss keeps what is thrown.
      throw new RedactedError(error);
    } finally {
      if (workerId !== undefined) boss.notifyWorker(workerId);
    }
  });
}
