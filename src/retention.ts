import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import type { App } from './app.ts';
import type { Config } from './config.ts';
import type { Database } from './db/client.ts';
import { type Expired, expireItems, expireKeys, expireTasks, sweepLeftovers } from './tasks/expiry.ts';
import { sweepDeletedEndpoints } from './webhooks/deletion.ts';
import { pruneDeliveries } from './webhooks/deliveries.ts';

export interface Retention {
  /** Waits for the batch in hand. May be called twice. */
  stop(): Promise<void>;
}

type RetentionDeps = Pick<App, 'db' | 'log' | 'metrics'> & { readonly config: Pick<Config, Keep> };
type Keep = 'BULKCAST_KEEP_ITEMS_DAYS' | 'BULKCAST_KEEP_TASKS_DAYS';

/** Deletes one batch of what is due, in one statement, and returns how much it was. */
type Expire = (db: Database) => Promise<Expired>;

/** Everything that expires. */
function expiriesOf(config: Pick<Config, Keep>): Expire[] {
  return [
    expireKeys,
    (db) => expireItems(db, config.BULKCAST_KEEP_ITEMS_DAYS),
    (db) => expireTasks(db, config.BULKCAST_KEEP_TASKS_DAYS),
    sweepLeftovers,
    (db) => sweepDeletedEndpoints(db, deliveriesBatch),
    async (db) => ({
      webhook_deliveries: await pruneDeliveries(db, daysAgo(config.BULKCAST_KEEP_TASKS_DAYS), deliveriesBatch),
    }),
  ];
}

const deliveriesBatch = 1_000;

function daysAgo(days: number): Date {
  return new Date(Date.now() - days * 86_400_000);
}

/** How often a worker asks whether it is its round. */
const askMs = 10_000;
/** Of all workers together. */
const secondsBetweenRounds = 60;
/** A round that has not deleted all by then leaves the rest to the next one. */
const roundMs = 30_000;
/** The shortest pause between two batches; it is as long as the batch took, so that half of the time is left to others. */
const leastPauseMs = 20;

/** Deletes what has expired, in rounds, one worker of all at a time, until stop. An outage is logged and waited out. */
export function startRetention(deps: RetentionDeps): Retention {
  const stopping = new AbortController();
  const { signal } = stopping;
  const run = async () => {
    while (!signal.aborted) {
      try {
        if (await claimRound(deps.db)) await runRound(deps, signal);
      } catch (error) {
        deps.log.warn('retention.failed', { error });
      }
      await delay(askMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
  };
  const running = run();
  return {
    stop: () => {
      stopping.abort();
      return running;
    },
  };
}

/** Deletes all that is due, the kinds by turns, for at most 30 s. */
export async function runRound(deps: RetentionDeps, signal: AbortSignal): Promise<void> {
  const { db, log, metrics } = deps;
  const deadlineMs = performance.now() + roundMs;
  const totals = new Map<string, number>();
  let due = expiriesOf(deps.config);
  while (due.length > 0) {
    const left: Expire[] = [];
    for (const expire of due) {
      if (signal.aborted || performance.now() > deadlineMs) break;
      const startedMs = performance.now();
      const expired = Object.entries(await expire(db)).filter(([, count]) => count > 0);
      for (const [what, count] of expired) {
        metrics.expired.inc({ what }, count);
        totals.set(what, (totals.get(what) ?? 0) + count);
      }
      if (expired.length === 0) continue;
      left.push(expire);
      const pauseMs = Math.max(performance.now() - startedMs, leastPauseMs);
      await delay(pauseMs, undefined, { signal }).catch(() => undefined);
    }
    due = left;
  }
  if (totals.size > 0) log.info('retention.expired', Object.fromEntries(totals));
}

/** True for one of all who ask, once a minute. */
async function claimRound(db: Database): Promise<boolean> {
  const { rows } = await sql`
    update retention_rounds set next_at = now() + make_interval(secs => ${secondsBetweenRounds})
    where next_at <= now() returning 1`.execute(db);
  return rows.length > 0;
}
