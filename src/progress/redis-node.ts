import type { SharedCounter } from '../limits/counter.ts';
import type { Place } from './channels.ts';
import { readRedirection, readSlots, type SlotRange } from './cluster-slots.ts';
import { hostOf, nameOf } from './redis-address.ts';
import {
  type Connection,
  type ConnectionOptions,
  closeConnection,
  isAway,
  openConnection,
  ping,
  withoutCommand,
} from './redis-connection.ts';
import { takeCounts } from './redis-counter.ts';
import { type LinkHooks, OutageError } from './redis-links.ts';

/** One Redis server, over a connection that publishes and one that listens. */
export interface RedisNode {
  /** Settled once it was reached or could not be. */
  readonly isKnown: Promise<unknown>;
  isUp(): boolean;
  /** Where channels live; undefined while it is away. */
  place(): Place | undefined;
  /** False when the channel is at another node. Rejects with an OutageError while it is away, else with what the server says. */
  publish(projectId: string, text: string): Promise<boolean>;
  readonly count: SharedCounter['take'];
  readSlots(): Promise<SlotRange[]>;
  /** Finds out whether it still answers. */
  ping(): void;
  stop(): Promise<void>;
}

export interface NodeOptions extends Omit<ConnectionOptions, 'name'> {
  /** A node of a cluster, whose channels are sharded: each lives at the primary of its slot. */
  readonly isSharded: boolean;
}

export interface NodeHooks extends LinkHooks {
  readonly lost?: () => void;
  /** The server has closed a channel by itself, for its slot has gone. */
  readonly closedChannel?: () => void;
  /** The server says where a slot is served. */
  readonly redirected?: (slot: SlotRange) => void;
}

const channelPrefix = 'bulkcast:project:';

export function channelOf(projectId: string): string {
  return channelPrefix + projectId;
}

export function openRedisNode(options: NodeOptions, hooks: NodeHooks): RedisNode {
  const { log, back } = hooks;
  const host = hostOf(nameOf(options.url));
  const lost = () => hooks.lost?.();
  const publisher = openConnection({ ...options, name: 'bulkcast-publisher' }, { log, back, lost });
  let place: Place | undefined;
  const restore = () => {
    place = createPlace(subscriber, commands);
    return hooks.settle();
  };
  const forget = () => {
    if (place !== undefined) place.isAlive = false;
    place = undefined;
    lost();
  };
  const subscriber = openConnection({ ...options, name: 'bulkcast-subscriber' }, { log, back, restore, lost: forget });
  const redirected = (error: unknown) => {
    const slot = readRedirection(error, host);
    if (slot !== undefined) hooks.redirected?.(slot);
    return slot !== undefined;
  };
  const commands = options.isSharded ? shardedCommands(redirected) : classicCommands;
  receive(subscriber, hooks);
  return {
    isKnown: Promise.all([publisher.isKnown.promise, subscriber.isKnown.promise]),
    isUp: () => publisher.state === 'up' && subscriber.state === 'up',
    place: () => place,
    publish: (projectId, text) => publish(publisher, commands, channelOf(projectId), text),
    count: async (owner, wanted) => {
      if (isAway(publisher)) throw new OutageError('Redis is away');
      try {
        return await takeCounts(publisher.redis, channelOf(owner), wanted);
      } catch (error) {
        redirected(error);
        throw withoutCommand(error);
      }
    },
    readSlots: async () => readSlots(await publisher.redis.cluster('SLOTS'), host),
    ping: () => {
      ping(publisher);
      ping(subscriber);
    },
    stop: async () => {
      await Promise.all([closeConnection(publisher), closeConnection(subscriber)]);
    },
  };
}

type Redis = Connection['redis'];

/** Each resolves to false when the channel belongs elsewhere. */
interface Commands {
  open(redis: Redis, channel: string): Promise<boolean>;
  close(redis: Redis, channel: string): Promise<boolean>;
  publish(redis: Redis, channel: string, text: string): Promise<boolean>;
}

const classicCommands: Commands = {
  open: (redis, channel) => redis.subscribe(channel).then(() => true),
  close: (redis, channel) => redis.unsubscribe(channel).then(() => true),
  publish: (redis, channel, text) => redis.publish(channel, text).then(() => true),
};

/** `redirected` is told of every error, and says whether it names another node. */
function shardedCommands(redirected: (error: unknown) => boolean): Commands {
  const isHere = async (answer: Promise<unknown>) => {
    try {
      await answer;
      return true;
    } catch (error) {
      if (redirected(error)) return false;
      throw error;
    }
  };
  return {
    open: (redis, channel) => isHere(redis.ssubscribe(channel)),
    close: (redis, channel) => isHere(redis.sunsubscribe(channel)),
    publish: (redis, channel, text) => isHere(redis.spublish(channel, text)),
  };
}

function createPlace({ redis }: Connection, { open, close }: Commands): Place {
  return {
    isAlive: true,
    generation: 0,
    open: (projectId) => open(redis, channelOf(projectId)),
    close: (projectId) => close(redis, channelOf(projectId)),
  };
}

function receive({ redis }: Connection, { received, closedChannel }: NodeHooks): void {
  const pass = (channel: string, text: string) => received(channel.slice(channelPrefix.length), text);
  redis.on('message', pass);
  redis.on('smessage', pass);
  redis.on('moved', () => closedChannel?.());
}

async function publish(publisher: Connection, commands: Commands, channel: string, text: string): Promise<boolean> {
  try {
    if (isAway(publisher)) throw new Error('Redis is away');
    return await commands.publish(publisher.redis, channel, text);
  } catch (error) {
    publisher.unpublished += 1;
    const { message } = withoutCommand(error);
    throw isAway(publisher) ? new OutageError(message) : new Error(message);
  }
}
