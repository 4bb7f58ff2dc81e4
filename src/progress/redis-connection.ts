import { setTimeout as delay } from 'node:timers/promises';
import { Redis, type RedisOptions } from 'ioredis';
import type { Log } from '../log.ts';
import { nameOf } from './redis-address.ts';

/** A connection that comes back by itself. */
export interface Connection {
  readonly redis: Redis;
  readonly name: string;
  /** `away` from a loss until all is restored; `starting` before the first attempt has come to either. */
  state: 'starting' | 'up' | 'away' | 'stopped';
  /** Settled once Redis was reached or could not be. */
  readonly isKnown: PromiseWithResolvers<void>;
  /** Publishes that failed since it was last up. */
  unpublished: number;
}

export interface ConnectionOptions {
  readonly url: string;
  /** What Redis lists the connection as. */
  readonly name: string;
  /** The name on the certificate, where it is not the host of the URL. */
  readonly certifiedName?: string | undefined;
  /** It takes the place of one that was lost, so that the first connect is a return. */
  readonly isReplacement?: boolean | undefined;
}

export interface ConnectionHooks {
  readonly log: Log;
  readonly lost?: () => void;
  /** Runs after every connect, before the connection counts as up. Never rejects. */
  readonly restore?: () => Promise<void>;
  /** Runs when it is up after it was away. */
  readonly back: () => void;
}

/** Starts to connect, and keeps at it until `closeConnection`. */
export function openConnection(options: ConnectionOptions, hooks: ConnectionHooks): Connection {
  const backoff = createBackoff();
  const redis = createRedis(options, { retryStrategy: backoff.next });
  const connection: Connection = {
    redis,
    name: options.name,
    state: 'starting',
    isKnown: Promise.withResolvers(),
    unpublished: 0,
  };
  const where = { connection: options.name, node: nameOf(options.url) };
  let losses = 0;
  let isReturn = options.isReplacement ?? false;
  let lastError: unknown;
  redis.on('error', (error) => {
    lastError = withoutCommand(error);
  });
  redis.on('close', () => {
    losses += 1;
    isReturn = true;
    hooks.lost?.();
    if (markAway(connection)) hooks.log.warn('bus.away', { ...where, error: lastError });
    lastError = undefined;
  });
  redis.on('ready', () => {
    const lossesBefore = losses;
    backoff.connected();
    connection.isKnown.resolve();
    void Promise.resolve(hooks.restore?.()).then(() => {
      if (losses !== lossesBefore || connection.state === 'stopped') return;
      const { unpublished } = connection;
      Object.assign(connection, { state: 'up', unpublished: 0 });
      if (!isReturn) return;
      hooks.log.info('bus.back', { ...where, unpublished });
      hooks.back();
    });
  });
  return connection;
}

const answerMs = 2_000;
const connectMs = 2_000;
const firstBackoffMs = 25;
const longestBackoffMs = 1_000;
const steadyMs = 5_000;
const stopMs = 500;

function createRedis(
  { url, name, certifiedName }: ConnectionOptions,
  options: Pick<RedisOptions, 'retryStrategy' | 'lazyConnect'>,
): Redis {
  return new Redis(url, {
    connectionName: name,
    // One command less that a user of few rights has to be allowed.
    disableClientInfo: true,
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
    ...(certifiedName === undefined ? {} : { tls: { servername: certifiedName } }),
    ...options,
  });
}

/** Waits longer with every attempt. A connection that did not last counts as one: whoever is cut off at once must not be
 *  back at once, for each time everything watched is read again. */
function createBackoff() {
  let attempts = 0;
  let connectedMs: number | undefined;
  return {
    connected: () => {
      connectedMs = performance.now();
    },
    next: () => {
      const lasted = connectedMs !== undefined && performance.now() - connectedMs > steadyMs;
      connectedMs = undefined;
      attempts = lasted ? 0 : attempts + 1;
      return Math.min(firstBackoffMs * 2 ** attempts, longestBackoffMs) * (0.5 + Math.random() / 2);
    },
  };
}

/** False when it was away already, or is stopped. */
function markAway(connection: Connection): boolean {
  connection.isKnown.resolve();
  if (isAway(connection)) return false;
  connection.state = 'away';
  return true;
}

export function isAway({ state }: Connection): boolean {
  return state === 'away' || state === 'stopped';
}

/** Finds out whether it still answers. */
export function ping({ redis }: Connection): void {
  // Only the answer's absence matters, and that closes the connection, which is logged.
  if (redis.status === 'ready') redis.ping().catch(() => undefined);
}

export async function closeConnection(connection: Connection): Promise<void> {
  const { redis } = connection;
  connection.state = 'stopped';
  connection.isKnown.resolve();
  // Between two attempts there is nothing to close, and no `end` will come.
  const isClosed = redis.status === 'reconnecting' || redis.status === 'end';
  const ended = isClosed ? undefined : new Promise<void>((resolve) => redis.once('end', () => resolve()));
  redis.disconnect();
  await Promise.race([ended, delay(2 * stopMs, undefined, { ref: false })]);
}

/** Asks one question over a connection of its own; rejects when there is no answer within some seconds. */
export async function askOnce<T>(
  options: ConnectionOptions,
  question: (redis: Redis) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  signal.throwIfAborted();
  const redis = createRedis(options, { lazyConnect: true, retryStrategy: null });
  const giveUp = () => redis.disconnect();
  signal.addEventListener('abort', giveUp, { once: true });
  let lastError: unknown;
  redis.on('error', (error) => {
    lastError = error;
  });
  try {
    await redis.connect();
    return await question(redis);
  } catch (error) {
    throw withoutCommand(lastError ?? error);
  } finally {
    signal.removeEventListener('abort', giveUp);
    redis.disconnect();
  }
}

/** The error alone: ioredis adds the command that failed, with a password or a whole snapshot in it. */
export function withoutCommand(error: unknown): Error {
  return new Error(error instanceof Error ? error.message : String(error));
}
