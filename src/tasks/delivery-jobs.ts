import { setTimeout as delay } from 'node:timers/promises';
import { fromKysely, type Job, type PgBoss } from 'pg-boss';
import type { Tx } from '../db/client.ts';
import type { Log } from '../log.ts';

/** What a worker is asked to do: one attempt of a delivery. */
export interface DeliveryJob {
  readonly deliveryId: string;
  readonly endpointId: string;
  /** From 1; a job whose attempt has been made does nothing. */
  readonly attempt: number;
}

/** PAUSED when the endpoint takes nothing now: its other jobs are left alone for a moment. Throws its signal's reason when the process
 *  stops; what it throws is tried again. */
export type RunDelivery = (job: DeliveryJob, signal: AbortSignal) => Promise<'DONE' | 'PAUSED'>;

/** Told the endpoints of all deliveries in hand, one as often as it has some: finds all endpoints of the projects that have at least
 *  `max` of these deliveries. */
export type FindCrowded = (endpointIds: readonly string[], max: number) => Promise<readonly string[]>;

/** The queue of webhooks, beside that of the chunks: neither waits for the other. */
export interface DeliveryJobs {
  /** Attempts that are committed or lost with the transaction, to be made so many seconds from now. */
  enqueue(tx: Tx, jobs: readonly (DeliveryJob & { readonly afterSeconds?: number })[]): Promise<void>;
  /** Calls `run` for jobs until stop, a few at a time, of one project and of one endpoint fewer: what is beyond waits in the queue. */
  work(run: RunDelivery, findCrowded: FindCrowded): void;
  /** Takes no new job; calls off those in hand that take longer than the bound. */
  stop(timeoutMs: number): Promise<void>;
}

const queue = 'webhooks';

/** Of one process. They wait for receivers, not for Postgres or the processor. */
const maxInHand = 32;
const maxOfProject = maxInHand / 4;
const maxOfEndpoint = 2;
const pollMs = 500;
const pausedMs = 5_000;
/** Well within the heartbeat. */
const touchMs = 3_000;

const options = {
  heartbeatSeconds: 10,
  expireInSeconds: 120,
  // What receivers do is no throw: this is for a database that is away.
  retryLimit: 3_000,
  retryDelay: 1,
  retryBackoff: true,
  retryDelayMax: 30,
  deleteAfterSeconds: 600,
  retentionSeconds: 30 * 24 * 3600,
} as const;

export async function openDeliveryJobs(boss: PgBoss, log: Log): Promise<DeliveryJobs> {
  await boss.createQueue(queue, options);
  let dispatcher: Dispatcher | undefined;
  return {
    async enqueue(tx, jobs) {
      const inserts = jobs.map(({ afterSeconds, ...job }) => ({
        data: job,
        group: { id: job.endpointId },
        ...(afterSeconds === undefined ? {} : { startAfter: afterSeconds }),
      }));
      if (inserts.length > 0) await boss.insert(queue, inserts, { db: fromKysely(tx) });
    },
    work: (run, findCrowded) => {
      dispatcher ??= startDispatcher(boss, { run, findCrowded }, log);
    },
    stop: async (timeoutMs) => dispatcher?.stop(timeoutMs),
  };
}

interface Dispatcher {
  stop(timeoutMs: number): Promise<void>;
}

/** Takes jobs one by one, passing over those of projects and endpoints that have enough in hand: pg-boss's own workers would each take
 *  one of a slow endpoint, give it back and sleep. */
function startDispatcher(
  boss: PgBoss,
  { run, findCrowded }: { readonly run: RunDelivery; readonly findCrowded: FindCrowded },
  log: Log,
): Dispatcher {
  const inHand = createHand();
  const calledOff = new AbortController();
  let wake = new AbortController();
  let isStopping = false;
  const runOne = async (job: Job<DeliveryJob>) => {
    const outcome = await settle(boss, job, () => run(job.data, calledOff.signal)).catch((error: unknown) => {
      // Its heartbeat ends, and it is given to another.
      log.warn('webhook.unsettled', { delivery: job.data.deliveryId, error });
    });
    inHand.delete(job, outcome === 'PAUSED');
    wake.abort();
  };
  const takeAll = async () => {
    while (!isStopping && inHand.size() < maxInHand) {
      const crowded = inHand.size() < maxOfProject ? [] : await findCrowded(inHand.endpoints(), maxOfProject);
      const [job] = await boss.fetch<DeliveryJob>(queue, { ignoreGroups: [...inHand.passedOver(), ...crowded] });
      if (job === undefined) return;
      inHand.add(job, runOne(job));
    }
  };
  const loop = async () => {
    while (!isStopping) {
      wake = new AbortController();
      await takeAll().catch((error: unknown) => log.warn('jobs.error', { error }));
      await delay(pollMs, undefined, { signal: wake.signal }).catch(() => undefined);
    }
  };
  const touching = setInterval(() => touch(boss, inHand.jobs(), log), touchMs);
  const looping = loop();
  const stop = async (timeoutMs: number) => {
    isStopping = true;
    wake.abort();
    await looping;
    const timer = setTimeout(() => calledOff.abort(new Error('the process stops')), timeoutMs);
    await inHand.empty();
    clearTimeout(timer);
    clearInterval(touching);
  };
  return { stop };
}

/** Tells the queue that their worker lives. */
function touch(boss: PgBoss, jobs: readonly Job<DeliveryJob>[], log: Log): void {
  if (jobs.length === 0) return;
  boss.touch(queue, [...jobs]).catch((error: unknown) => log.warn('jobs.error', { error }));
}

async function settle<Outcome>(boss: PgBoss, job: Job<DeliveryJob>, run: () => Promise<Outcome>) {
  let outcome: Outcome;
  try {
    outcome = await run();
  } catch (error) {
    await boss.fail(queue, job, { message: error instanceof Error ? error.message : String(error) });
    return undefined;
  }
  await boss.complete(queue, job);
  return outcome;
}

/** The jobs in hand, and which endpoints get no more for now. */
function createHand() {
  const entries = new Map<string, { readonly job: Job<DeliveryJob>; readonly done: Promise<void> }>();
  const pausedUntilMs = new Map<string, number>();
  const jobs = () => [...entries.values()].map(({ job }) => job);
  return {
    jobs,
    size: () => entries.size,
    endpoints: () => jobs().map(({ data }) => data.endpointId),
    add: (job: Job<DeliveryJob>, done: Promise<void>) => entries.set(job.id, { job, done }),
    delete: ({ id, data }: Job<DeliveryJob>, isPaused: boolean) => {
      entries.delete(id);
      if (isPaused) pausedUntilMs.set(data.endpointId, performance.now() + pausedMs);
    },
    passedOver: (): string[] => {
      for (const [endpointId, untilMs] of pausedUntilMs) {
        if (untilMs <= performance.now()) pausedUntilMs.delete(endpointId);
      }
      const counts = new Map<string, number>();
      for (const { data } of jobs()) counts.set(data.endpointId, (counts.get(data.endpointId) ?? 0) + 1);
      const full = [...counts].flatMap(([endpointId, count]) => (count >= maxOfEndpoint ? [endpointId] : []));
      return [...full, ...pausedUntilMs.keys()];
    },
    empty: () => Promise.all([...entries.values()].map(({ done }) => done)),
  };
}
