import type { Config } from './config.ts';
import { type Database, openDatabase } from './db/client.ts';
import type { ProjectReads } from './db/project-reads.ts';
import type { Log } from './log.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { operations } from './operations/index.ts';
import type { Bus } from './progress/bus.ts';
import { openMemoryBus } from './progress/memory-bus.ts';
import { openRedisBus } from './progress/redis-bus.ts';
import type { EngineDeps } from './tasks/engine.ts';
import { openJobs } from './tasks/jobs.ts';
import { announceState } from './webhooks/events.ts';

/** What one process has open, whatever its role. */
export interface App {
  readonly config: Config;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly db: Database;
  readonly projectReads: ProjectReads;
  /** Two connections of their own, for reads that take no time, or are given up after 5 s. */
  readonly quickDb: Database;
  readonly bus: Bus;
  readonly engine: EngineDeps;
  /** Closes everything, jobs in hand first, within the bound. May be called twice. */
  stop(timeoutMs: number): Promise<void>;
}

const quickMs = 5_000;

/** Opens what the configuration names, against a migrated database. */
export async function openApp(config: Config, databaseUrl: string, log: Log): Promise<App> {
  const metrics = createMetrics();
  const slots = config.BULKCAST_WORKER_SLOTS;
  const common = { url: databaseUrl, applicationName: `bulkcast ${config.BULKCAST_ROLE}`, log };
  const client = openDatabase({
    ...common,
    maxConnections: config.BULKCAST_DATABASE_CONNECTIONS,
    maxOfProject: config.BULKCAST_PROJECT_CONNECTIONS,
  });
  const quick = openDatabase({ ...common, maxConnections: 2, statementTimeoutMs: quickMs });
  const bus = openBus(config, log, metrics);
  const role = config.BULKCAST_ROLE === 'gateway' ? 'gateway' : 'worker';
  const jobs = await openJobs({ databaseUrl, role, slots, log });
  const engine: EngineDeps = {
    db: client.db,
    jobs,
    operations,
    entered: (tx, snapshot) => announceState({ deliveries: jobs.deliveries, operations }, tx, snapshot),
    publish: (snapshot) => bus.publish(snapshot),
    limits: { maxItems: config.BULKCAST_MAX_ITEMS, maxCsvLineBytes: 1_048_576 },
    keepKeysDays: config.BULKCAST_KEEP_KEYS_DAYS,
    log,
    metrics,
  };
  let stopped: Promise<void> | undefined;
  const stop = async (timeoutMs: number) => {
    await jobs.stop(timeoutMs);
    await bus.stop();
    await Promise.all([client.stop(), quick.stop()]);
  };
  const { db, projectReads } = client;
  return {
    config,
    log,
    metrics,
    db,
    projectReads,
    quickDb: quick.db,
    bus,
    engine,
    stop: (timeoutMs) => (stopped ??= stop(timeoutMs)),
  };
}

function openBus(config: Config, log: Log, metrics: Metrics): Bus {
  const failed = () => metrics.publishFailures.inc();
  const bus = config.REDIS_URL === undefined ? openMemoryBus() : openRedisBus({ url: config.REDIS_URL, log, failed });
  bus.onInterrupted(() => metrics.busInterruptions.inc());
  return bus;
}
