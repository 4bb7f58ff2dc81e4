import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** What a Prometheus scrape shows of one process. */
export interface Metrics {
  readonly registry: Registry;
  readonly itemsApplied: Counter<'operation' | 'outcome'>;
  readonly chunkSeconds: Histogram<'operation'>;
  readonly chunkErrors: Counter<'operation'>;
  readonly unfinishedTasks: Gauge<'state' | 'operation'>;
  readonly tasksEnded: Counter<'operation' | 'state'>;
  readonly expired: Counter<'what'>;
  readonly publishFailures: Counter;
  readonly busUp: Gauge;
  readonly busInterruptions: Counter;
  readonly subscribers: Gauge<'kind'>;
  readonly webhookAttempts: Counter<'outcome'>;
  readonly requestSeconds: Histogram<'door' | 'status'>;
  readonly connectionsRefused: Counter<'bound'>;
}

const secondsBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export function createMetrics(): Metrics {
  const registry = new Registry();
  // Every 10 ms, as it is by default, costs a gateway that only pushes a tenth of its time.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 100 });
  const registers = [registry];
  return {
    registry,
    itemsApplied: new Counter({
      name: 'bulkcast_items_applied_total',
      help: 'Items of committed chunks',
      labelNames: ['operation', 'outcome'],
      registers,
    }),
    chunkSeconds: new Histogram({
      name: 'bulkcast_chunk_seconds',
      help: 'From taking a chunk to its commit',
      labelNames: ['operation'],
      buckets: secondsBuckets,
      registers,
    }),
    chunkErrors: new Counter({
      name: 'bulkcast_chunk_errors_total',
      help: 'Chunks that were rolled back and will be tried again',
      labelNames: ['operation'],
      registers,
    }),
    unfinishedTasks: new Gauge({
      name: 'bulkcast_unfinished_tasks',
      help: 'Tasks in the database that have not ended',
      labelNames: ['state', 'operation'],
      registers,
    }),
    tasksEnded: new Counter({
      name: 'bulkcast_tasks_ended_total',
      help: 'Tasks that this process brought to their end',
      labelNames: ['operation', 'state'],
      registers,
    }),
    expired: new Counter({
      name: 'bulkcast_expired_rows_total',
      help: 'Rows that this process has deleted because their time was over, by what they were',
      labelNames: ['what'],
      registers,
    }),
    publishFailures: new Counter({
      name: 'bulkcast_publish_failures_total',
      help: 'Snapshots that the bus did not take; subscribers got them later from the database',
      registers,
    }),
    busUp: new Gauge({
      name: 'bulkcast_bus_up',
      help: '1 while this process has all its connections to Redis, or needs none, else 0',
      registers,
    }),
    busInterruptions: new Counter({
      name: 'bulkcast_bus_interruptions_total',
      help: 'Returns of the bus after messages may have been lost; each reads everything watched again',
      registers,
    }),
    subscribers: new Gauge({
      name: 'bulkcast_subscribers',
      help: 'Open subscriptions of this gateway by kind, and polls that wait for a change',
      labelNames: ['kind'],
      registers,
    }),
    webhookAttempts: new Counter({
      name: 'bulkcast_webhook_attempts_total',
      help: 'Attempts to deliver webhooks, by outcome: OK, or the class of the error',
      labelNames: ['outcome'],
      registers,
    }),
    requestSeconds: new Histogram({
      name: 'bulkcast_request_seconds',
      help: 'Requests answered, by door (graphql, poll, rest)',
      labelNames: ['door', 'status'],
      buckets: secondsBuckets,
      registers,
    }),
    connectionsRefused: new Counter({
      name: 'bulkcast_connections_refused_total',
      help: 'Connections closed as soon as they were opened, by the bound that they were beyond (all, address)',
      labelNames: ['bound'],
      registers,
    }),
  };
}
