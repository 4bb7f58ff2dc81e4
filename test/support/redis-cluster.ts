import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { atEndOfFile } from './at-end.ts';
import { findServerPort } from './ports.ts';
import { type RedisServer, startRedis } from './redis.ts';
import { waitFor } from './wait.ts';

export interface ClusterNode {
  readonly id: string;
  /** `127.0.0.1:port` */
  readonly name: string;
  readonly server: RedisServer;
  readonly redis: Redis;
  /** Starts it again after it was killed, with all that it knew of the cluster. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export interface RedisCluster {
  /** `redis-cluster://…`, naming all nodes. */
  readonly url: string;
  /** Each serves a third of the slots. */
  readonly primaries: readonly [ClusterNode, ClusterNode, ClusterNode];
  /** Of the first primary, which it replaces within some seconds of its death. */
  readonly replica: ClusterNode;
  /** Hands a slot and its keys over to a primary that does not serve it yet, as a resharding does. */
  moveSlot(slot: number, to: ClusterNode): Promise<void>;
  /** The primary that serves a slot, as this node (the first primary) knows. */
  ownerOf(slot: number, asked?: ClusterNode): Promise<ClusterNode>;
  /** Shard channels that somebody has open, of all nodes that answer. */
  channels(): Promise<string[]>;
  /** Ends all nodes. */
  stop(): Promise<void>;
}

/** A Redis Cluster of real redis-servers on 127.0.0.1: three primaries and a replica; ends with the test file. */
export async function startRedisCluster(settings: readonly string[] = []): Promise<RedisCluster> {
  const directory = await mkdtemp(join(tmpdir(), 'bulkcast-cluster-'));
  atEndOfFile(() => rm(directory, { recursive: true, force: true }));
  const nodes = await Promise.all([1, 2, 3, 4].map(() => startNode(directory, settings)));
  const [first, second, third, replica] = nodes as [ClusterNode, ClusterNode, ClusterNode, ClusterNode];
  const primaries = [first, second, third] as const;
  for (const [index, { redis }] of primaries.entries()) {
    await redis.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
    await redis.call('CLUSTER', 'ADDSLOTSRANGE', ...(ranges[index] ?? []));
  }
  for (const { redis } of nodes.slice(1)) await meet(redis, first);
  const knowsAll = async ({ redis }: ClusterNode) =>
    (await info(redis)).includes(`cluster_known_nodes:${nodes.length}`);
  await waitFor(() => everyNode(nodes, knowsAll), { message: 'the nodes know each other' });
  await waitFor(() => replica.redis.call('CLUSTER', 'REPLICATE', first.id), {
    message: 'the replica knows its primary',
  });
  const isReady = async ({ redis }: ClusterNode) => (await info(redis)).includes('cluster_state:ok');
  await waitFor(() => everyNode(nodes, isReady), { message: 'the cluster is ready' });
  const isLinked = async () => (await replica.redis.info('replication')).includes('master_link_status:up');
  await waitFor(isLinked, { message: 'the replica follows its primary' });
  return {
    url: `redis-cluster://${nodes.map(({ name }) => name).join(',')}`,
    primaries,
    replica,
    moveSlot: (slot, to) => moveSlot(nodes, slot, to),
    ownerOf: (slot, asked = first) => ownerOf(nodes, slot, asked),
    channels: async () => (await Promise.all(nodes.map(channelsOf))).flat(),
    stop: async () => {
      await Promise.all(nodes.map((node) => node.stop()));
    },
  };
}

const ranges = [
  [0, 5460],
  [5461, 10922],
  [10923, 16383],
];

async function startNode(directory: string, settings: readonly string[]): Promise<ClusterNode> {
  const port = await findServerPort();
  const busPort = await findServerPort();
  const file = join(directory, `nodes-${port}.conf`);
  const clustered = ['--cluster-enabled', 'yes', '--cluster-port', String(busPort), '--cluster-config-file', file];
  // A replica that waits out the usual delays would make every failover a matter of many seconds.
  const quick = [
    '--cluster-node-timeout',
    '1000',
    '--repl-ping-replica-period',
    '1',
    '--repl-diskless-sync-delay',
    '0',
  ];
  const start = () => startRedis({ port, settings: [...clustered, ...quick, ...settings] });
  let server = await start();
  const redis = new Redis(port, '127.0.0.1', { maxRetriesPerRequest: 0 });
  // Of a node that a test has ended.
  redis.on('error', () => undefined);
  atEndOfFile(async () => redis.disconnect());
  return {
    id: String(await redis.call('CLUSTER', 'MYID')),
    name: `127.0.0.1:${port}`,
    get server() {
      return server;
    },
    redis,
    restart: async () => {
      server = await start();
    },
    stop: async () => {
      redis.disconnect();
      await server.kill();
    },
  };
}

async function meet(redis: Redis, { server, redis: other }: ClusterNode): Promise<void> {
  const busPort = (await other.config('GET', 'cluster-port')) as string[];
  await redis.call('CLUSTER', 'MEET', '127.0.0.1', server.port, busPort[1] ?? '');
}

async function info(redis: Redis): Promise<string> {
  return String(await redis.call('CLUSTER', 'INFO'));
}

async function everyNode(
  nodes: readonly ClusterNode[],
  holds: (node: ClusterNode) => Promise<boolean>,
): Promise<boolean> {
  return (await Promise.all(nodes.map(holds))).every(Boolean);
}

async function ownerOf(nodes: readonly ClusterNode[], slot: number, asked: ClusterNode): Promise<ClusterNode> {
  const answers = await asked.redis.cluster('SLOTS');
  for (const [first, last, primary] of answers) {
    const node = nodes.find(({ id }) => id === primary?.[2]);
    if (first <= slot && slot <= last && node !== undefined) return node;
  }
  throw new Error(`nobody serves slot ${slot}`);
}

async function moveSlot(nodes: readonly ClusterNode[], slot: number, to: ClusterNode): Promise<void> {
  const from = await ownerOf(nodes, slot, to);
  if (from === to) return;
  await to.redis.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', from.id);
  await from.redis.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', to.id);
  await waitFor(() => moveKeys(slot, from, to), { message: `slot ${slot} is empty` });
  await to.redis.call('CLUSTER', 'SETSLOT', slot, 'NODE', to.id);
  await from.redis.call('CLUSTER', 'SETSLOT', slot, 'NODE', to.id);
  const isKnown = (node: ClusterNode) => ownerOf(nodes, slot, node).then((owner) => owner === to);
  await waitFor(() => everyNode(nodes, isKnown), { message: `everybody knows who serves slot ${slot}` });
}

/** No key is made in a slot that is on its way; returns whether none is left. */
async function moveKeys(slot: number, from: ClusterNode, to: ClusterNode): Promise<boolean> {
  const keys = (await from.redis.call('CLUSTER', 'GETKEYSINSLOT', slot, 100)) as string[];
  if (keys.length === 0) return true;
  await from.redis.call('MIGRATE', '127.0.0.1', to.server.port, '', 0, 1_000, 'KEYS', ...keys);
  return false;
}

async function channelsOf({ redis }: ClusterNode): Promise<string[]> {
  if (redis.status !== 'ready') return [];
  return (await redis.call('PUBSUB', 'SHARDCHANNELS')) as string[];
}
