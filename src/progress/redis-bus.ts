import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { Log } from '../log.ts';
import type { Snapshot } from '../tasks/snapshot.ts';
import type { Bus } from './bus.ts';
import { type Channels, createChannels } from './channels.ts';
import { decodeSnapshot, encodeSnapshot } from './message.ts';

export interface RedisBusOptions {
  /** One Redis, or any node of a Redis Cluster: a cluster carries classic channels to all its nodes. */
  readonly url: string;
  readonly log: Log;
  /** Told of every snapshot that could not be published. */
  readonly failed: () => void;
}

/**
 * The bus between processes, over Redis channels. Redis need not be there at the start, may go away and may fall silent:
 * that is noticed within 3 s, and a Redis that is there again is reached within 1 s.
 */
export function openRedisBus(options: RedisBusOptions): Bus {
  const { log } = options;
  const interrupted = new Set<() => void>();
  const back = () => {
    for (const listener of interrupted) listener();
  };
  const publisher = openConnection(createRedis(options.url, 'publisher'), { log, back });
  const publishing = createPublishing(publisher, options);
  const redis = createRedis(options.url, 'subscriber');
  const channels = createRedisChannels(redis, log);
  const subscriber = openConnection(redis, { log, back, lost: channels.disconnected, restore: channels.settle });
  const heartbeat = setInterval(() => {
    ping(publisher.redis);
    ping(subscriber.redis);
    void channels.settle();
  }, heartbeatMs);
  let stopped: Promise<void> | undefined;
  const stop = async () => {
    clearInterval(heartbeat);
    await publishing.drain();
    await Promise.all([closeConnection(publisher), closeConnection(subscriber)]);
  };
  return {
    publish: publishing.publish,
    subscribe: async (projectId, listener) => {
      await subscriber.isKnown.promise;
      return channels.join(projectId, listener);
    },
    onInterrupted: (listener) => {
      interrupted.add(listener);
    },
    isUp: () => publisher.state === 'up' && subscriber.state === 'up',
    stop: () => (stopped ??= stop()),
  };
}

const heartbeatMs = 1_000;
const answerMs = 2_000;
const connectMs = 2_000;
const longestBackoffMs = 1_000;
const stopMs = 500;
const maxPublishing = 10_000;
const sameWarningMs = 60_000;
const channelPrefix = 'bulkcast:project:';

function createRedis(url: string, name: string): Redis {
  return new Redis(url, {
    connectionName: `bulkcast-${name}`,
    connectTimeout: connectMs,
    // A command without an answer ends the connection: with the heartbeat, a silent one is noticed in 3 s.
    socketTimeout: answerMs,
    disconnectTimeout: stopMs,
    keepAlive: 10_000,
    // Channels work while Redis still loads its data.
    enableReadyCheck: false,
    // A command is never sent twice, and none outlives its connection: a lost message is read from the database instead.
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    // ioredis's own way to subscribe again lets a failure become an unhandled rejection (redis/ioredis#2187).
    autoResubscribe: false,
    retryStrategy: (attempt) => Math.min(25 * 2 ** attempt, longestBackoffMs) * (0.5 + Math.random() / 2),
  });
}

interface Connection {
  readonly redis: Redis;
  /** `away` from a loss until all is restored; `starting` before the first attempt has come to either. */
  state: 'starting' | 'up' | 'away' | 'stopped';
  /** Settled once Redis was reached or could not be. */
  readonly isKnown: PromiseWithResolvers<void>;
  /** Publishes that failed since it was last up. */
  unpublished: number;
}

interface ConnectionHooks {
  readonly log: Log;
  readonly lost?: () => void;
  /** Runs after every connect, before the connection counts as up. Never rejects. */
  readonly restore?: () => Promise<void>;
  /** Runs when it is up after it was away. */
  readonly back: () => void;
}

function openConnection(redis: Redis, hooks: ConnectionHooks): Connection {
  const connection: Connection = { redis, state: 'starting', isKnown: Promise.withResolvers(), unpublished: 0 };
  let losses = 0;
  let lastError: unknown;
  redis.on('error', (error) => {
    lastError = withoutCommand(error);
  });
  redis.on('close', () => {
    losses += 1;
    hooks.lost?.();
    markAway(connection, hooks.log, lastError);
    lastError = undefined;
  });
  redis.on('ready', () => {
    const lossesBefore = losses;
    connection.isKnown.resolve();
    void Promise.resolve(hooks.restore?.()).then(() => {
      if (losses === lossesBefore) markUp(connection, hooks);
    });
  });
  return connection;
}

function markAway(connection: Connection, log: Log, error: unknown): void {
  connection.isKnown.resolve();
  if (connection.state === 'away' || connection.state === 'stopped') return;
  connection.state = 'away';
  log.warn('bus.away', { connection: connection.redis.options.connectionName, error });
}

function markUp(connection: Connection, { log, back }: ConnectionHooks): void {
  const { state, redis, unpublished } = connection;
  if (state === 'stopped') return;
  connection.state = 'up';
  connection.unpublished = 0;
  if (state !== 'away') return;
  log.info('bus.back', { connection: redis.options.connectionName, unpublished });
  back();
}

function ping(redis: Redis): void {
  // Only the answer's absence matters, and that closes the connection, which is logged.
  if (redis.status === 'ready') redis.ping().catch(() => undefined);
}

async function closeConnection(connection: Connection): Promise<void> {
  const { redis } = connection;
  connection.state = 'stopped';
  connection.isKnown.resolve();
  // Between two attempts there is nothing to close, and no `end` will come.
  const isClosed = redis.status === 'reconnecting' || redis.status === 'end';
  const ended = isClosed ? undefined : new Promise<void>((resolve) => redis.once('end', () => resolve()));
  redis.disconnect();
  await Promise.race([ended, delay(2 * stopMs, undefined, { ref: false })]);
}

function createRedisChannels(redis: Redis, log: Log): Channels {
  const channels = createChannels({
    isConnected: () => redis.status === 'ready',
    open: async (projectId) => redis.subscribe(channelPrefix + projectId),
    close: async (projectId) => redis.unsubscribe(channelPrefix + projectId),
    refused: (projectId, error) =>
      log.error('bus.channel_refused', { project: projectId, error: withoutCommand(error) }),
  });
  const warn = limitWarnings((error) => log.warn('bus.message_malformed', { error }));
  redis.on('message', (channel, text) => {
    const projectId = channel.slice(channelPrefix.length);
    const snapshot = decodeMessage(projectId, text, warn);
    if (snapshot !== undefined) channels.deliver(projectId, snapshot);
  });
  return channels;
}

function decodeMessage(projectId: string, text: string, warn: (error: unknown) => void): Snapshot | undefined {
  try {
    const snapshot = decodeSnapshot(text);
    if (snapshot.projectId === projectId) return snapshot;
    warn(new Error(`the channel of project ${projectId} carries a snapshot of project ${snapshot.projectId}`));
  } catch (error) {
    warn(error);
  }
  return undefined;
}

function createPublishing(connection: Connection, { log, failed }: RedisBusOptions) {
  const underway = new Set<Promise<void>>();
  const warn = limitWarnings((error) => log.warn('bus.publish_failed', { error: withoutCommand(error) }));
  const fail = (error: unknown) => {
    failed();
    connection.unpublished += 1;
    // An outage is logged once, by the connection.
    if (connection.state !== 'away') warn(error);
  };
  const send = async (snapshot: Snapshot) => {
    try {
      if (connection.state === 'away' || connection.state === 'stopped') throw new Error('the bus is away');
      if (underway.size >= maxPublishing) throw new Error(`Redis has not taken the last ${maxPublishing} snapshots`);
      await connection.redis.publish(channelPrefix + snapshot.projectId, encodeSnapshot(snapshot));
    } catch (error) {
      fail(error);
    }
  };
  return {
    publish: (snapshot: Snapshot): void => {
      const sending = send(snapshot).finally(() => underway.delete(sending));
      underway.add(sending);
    },
    drain: async (): Promise<void> => {
      await Promise.race([Promise.all(underway), delay(stopMs, undefined, { ref: false })]);
    },
  };
}

/** Lets through one warning a minute: what goes wrong with every message must not fill the log. */
function limitWarnings(warn: (error: unknown) => void): (error: unknown) => void {
  let quietUntilMs = Number.NEGATIVE_INFINITY;
  return (error) => {
    if (performance.now() < quietUntilMs) return;
    quietUntilMs = performance.now() + sameWarningMs;
    warn(error);
  };
}

/** The error alone: ioredis adds the command that failed, with a password or a whole snapshot in it. */
function withoutCommand(error: unknown): Error {
  return new Error(error instanceof Error ? error.message : String(error));
}
