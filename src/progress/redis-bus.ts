import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '../log.ts';
import type { Snapshot } from '../tasks/snapshot.ts';
import type { Bus } from './bus.ts';
import { createChannels } from './channels.ts';
import { decodeSnapshot, encodeSnapshot } from './message.ts';
import { parseRedisUrl } from './redis-address.ts';
import { openRedisCluster } from './redis-cluster.ts';
import { withoutCommand } from './redis-connection.ts';
import { type LinkHooks, OutageError, type RedisLinks } from './redis-links.ts';
import { openRedisNode } from './redis-node.ts';

export interface RedisBusOptions {
  /** As `parseRedisUrl` reads it. */
  readonly url: string;
  readonly log: Log;
  /** Told of every snapshot that could not be published. */
  readonly failed: () => void;
}

/**
 * The bus between processes, over the channels of one Redis or the sharded channels of a Redis Cluster. Redis need not be there
 * at the start, may go away and may fall silent: that is noticed within 3 s, and a Redis that is there again is reached within
 * 1 s.
 */
export function openRedisBus(options: RedisBusOptions): Bus {
  const { log } = options;
  const interrupted = new Set<() => void>();
  const channels = createChannels({
    placeOf: (projectId) => links.placeOf(projectId),
    refused: (projectId, error) =>
      log.error('bus.channel_refused', { project: projectId, error: withoutCommand(error) }),
  });
  const warn = limitWarnings((error) => log.warn('bus.message_malformed', { error }));
  const links = openLinks(options.url, {
    log,
    received: (projectId, text) => {
      const snapshot = decodeMessage(projectId, text, warn);
      if (snapshot !== undefined) channels.deliver(projectId, snapshot);
    },
    settle: channels.settle,
    back: () => {
      for (const listener of interrupted) listener();
    },
  });
  const publishing = createPublishing(links, options);
  const heartbeat = setInterval(() => {
    links.beat();
    void channels.settle();
  }, heartbeatMs);
  const stop = async () => {
    clearInterval(heartbeat);
    await publishing.drain();
    await links.stop();
  };
  let stopped: Promise<void> | undefined;
  return {
    publish: publishing.publish,
    subscribe: async (projectId, listener) => {
      await links.isKnown;
      return channels.join(projectId, listener);
    },
    onInterrupted: (listener) => {
      interrupted.add(listener);
    },
    isUp: links.isUp,
    counter: links,
    stop: () => (stopped ??= stop()),
  };
}

const heartbeatMs = 1_000;
const drainMs = 500;
const maxPublishing = 10_000;
const maxPublishingLength = 33_554_432;
const sameWarningMs = 60_000;

function openLinks(url: string, hooks: LinkHooks): RedisLinks {
  const { isCluster, urls } = parseRedisUrl(url);
  if (isCluster) return openRedisCluster(urls, hooks);
  const node = openRedisNode({ url, isSharded: false }, hooks);
  return { ...node, take: node.count, placeOf: node.place, beat: node.ping };
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

function createPublishing(links: RedisLinks, { log, failed }: RedisBusOptions) {
  const underway = new Set<Promise<void>>();
  let length = 0;
  const warn = limitWarnings((error) => log.warn('bus.publish_failed', { error: withoutCommand(error) }));
  const send = async (snapshot: Snapshot) => {
    let text = '';
    try {
      text = encodeSnapshot(snapshot);
      length += text.length;
      if (underway.size >= maxPublishing || length > maxPublishingLength) {
        throw new Error(`Redis has not taken the last ${underway.size} snapshots`);
      }
      await links.publish(snapshot.projectId, text);
    } catch (error) {
      failed();
      // An outage is logged once, by the connection.
      if (!(error instanceof OutageError)) warn(error);
    } finally {
      length -= text.length;
    }
  };
  return {
    publish: (snapshot: Snapshot): void => {
      const sending = send(snapshot).finally(() => underway.delete(sending));
      underway.add(sending);
    },
    drain: async (): Promise<void> => {
      await Promise.race([Promise.all(underway), delay(drainMs, undefined, { ref: false })]);
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
