import { fromKysely, type JobWithMetadata, PgBoss } from 'pg-boss';
import type { Tx } from '../db/client.ts';
import type { Log } from '../log.ts';

/** What a worker is asked to do: apply one chunk of one task. */
export interface ChunkJob {
  readonly taskId: string;
  readonly chunk: number;
}

/** A job that failed every time: of one chunk, or (null) of a task that runs in turn, which stopped at its next chunk. */
export interface FailedJob {
  readonly taskId: string;
  readonly chunk: number | null;
}

/** What a worker is asked to do when a task's turn has come: apply its chunks, one after another. */
interface TurnJob {
  readonly taskId: string;
  readonly chunkCount: number;
}

/** The job queue, in the same database as the tasks: pg-boss keeps, leases, retries and dead-letters the jobs. */
export interface Jobs {
  /** One job a chunk, committed or lost with the transaction. */
  enqueue(tx: Tx, taskId: string, chunkCount: number): Promise<void>;
  /** One job for all chunks, which begins when the one before it with the same `line` has ended. Waiting takes no slot. */
  enqueueInTurn(tx: Tx, taskId: string, chunkCount: number, line: string): Promise<void>;
  /** Calls `run` for the chunks of jobs, at most `slots` at a time and one more of those in turn, until stop; a throw is
   *  retried, then handed to `giveUp`. */
  work(slots: number, run: RunChunk, giveUp: GiveUp): Promise<void>;
  /** Takes no new job, waits for those in hand up to the bound, closes the connections. May be called twice. */
  stop(timeoutMs: number): Promise<void>;
}

type RunChunk = (job: ChunkJob) => Promise<void>;
type GiveUp = (job: FailedJob) => Promise<void>;

export interface JobsOptions {
  readonly databaseUrl: string;
  /** Workers also find and give back the jobs of dead workers; a gateway only enqueues. */
  readonly role: 'worker' | 'gateway';
  readonly slots: number;
  readonly log: Log;
}

const chunkQueue = 'chunks';
const turnQueue = 'tasks.in_turn';
const deadQueue = 'chunks.dead';

/** A worker that has not been heard of for 10 s is dead (the least pg-boss allows). */
const heartbeatSeconds = 10;
const superviseIntervalSeconds = 2;

export async function openJobs(options: JobsOptions): Promise<Jobs> {
  const works = options.role === 'worker';
  const boss = new PgBoss({
    connectionString: options.databaseUrl,
    application_name: `bulkcast jobs ${options.role}`,
    max: works ? options.slots + 3 : 2,
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
  let stopped: Promise<void> | undefined;
  return {
    enqueue: (tx, taskId, chunkCount) => enqueue(boss, tx, taskId, chunkCount),
    enqueueInTurn: async (tx, taskId, chunkCount, line) => {
      const job = { data: { taskId, chunkCount } satisfies TurnJob, singletonKey: line };
      await boss.insert(turnQueue, [job], { db: fromKysely(tx) });
    },
    work: (slots, run, giveUp) => work(boss, slots, run, giveUp),
    stop: (timeoutMs) => (stopped ??= boss.stop({ graceful: true, timeout: Math.max(timeoutMs, 1000) })),
  };
}

async function createQueues(boss: PgBoss): Promise<void> {
  await boss.createQueue(deadQueue, { retryLimit: 1_000_000, retryDelay: 1, retryBackoff: true, retryDelayMax: 60 });
  await boss.createQueue(chunkQueue, workQueue);
  // While a job is active, waits to be tried again or has failed, no other with its key begins.
  await boss.createQueue(turnQueue, { ...workQueue, policy: 'key_strict_fifo' });
}

const workQueue = {
  notify: true,
  heartbeatSeconds,
  expireInSeconds: 600,
  retryLimit: 20,
  retryDelay: 1,
  retryBackoff: true,
  retryDelayMax: 30,
  deadLetter: deadQueue,
  deleteAfterSeconds: 600,
  retentionSeconds: 30 * 24 * 3600,
} as const;

async function enqueue(boss: PgBoss, tx: Tx, taskId: string, chunkCount: number): Promise<void> {
  const jobs = Array.from({ length: chunkCount }, (_, chunk) => ({ data: { taskId, chunk } satisfies ChunkJob }));
  await boss.insert(chunkQueue, jobs, { db: fromKysely(tx) });
}

async function work(boss: PgBoss, slots: number, run: RunChunk, giveUp: GiveUp): Promise<void> {
  for (let slot = 0; slot < slots; slot += 1) await workOneSlot<ChunkJob>(boss, chunkQueue, run);
  await workOneSlot<TurnJob>(boss, turnQueue, async ({ taskId, chunkCount }) => {
    for (let chunk = 0; chunk < chunkCount; chunk += 1) await run({ taskId, chunk });
  });
  const options = { pollingIntervalSeconds: 2, includeMetadata: true } as const;
  await boss.work(deadQueue, options, async (jobs: JobWithMetadata<ChunkJob | TurnJob>[]) => {
    for (const { data, sourceId } of jobs) {
      await giveUp({ taskId: data.taskId, chunk: 'chunk' in data ? data.chunk : null });
      // A failed job holds up its line for as long as it is kept.
      if (!('chunk' in data) && sourceId !== null) await boss.deleteJob(turnQueue, sourceId);
    }
  });
}

/** pg-boss sleeps a polling interval after each job unless it is told that there is more, so each slot is a worker of its
 *  own that tells itself. */
async function workOneSlot<Data extends object>(
  boss: PgBoss,
  queue: string,
  run: (data: Data) => Promise<void>,
): Promise<void> {
  let workerId: string | undefined;
  const options = { pollingIntervalSeconds: 0.5, notifyPollingIntervalSeconds: 2 };
  workerId = await boss.work<Data>(queue, options, async (jobs) => {
    try {
      for (const job of jobs) await run(job.data);
    } finally {
      if (workerId !== undefined) boss.notifyWorker(workerId);
    }
  });
}
