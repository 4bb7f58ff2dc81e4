import { isIP } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { readSlots, type SlotRange, slotCount, slotOf } from './cluster-slots.ts';
import { hostOf, nameOf, urlOfNode } from './redis-address.ts';
import { askOnce } from './redis-connection.ts';
import { type LinkHooks, OutageError, type RedisLinks } from './redis-links.ts';
import { channelOf, openRedisNode, type RedisNode } from './redis-node.ts';

/**
 * The primaries of a Redis Cluster. A project's channel is a sharded one, at the primary of its hash slot. Who serves which slot
 * is read when a connection breaks, when a node says that a slot has moved, every second while something is away, and else
 * every five.
 */
export function openRedisCluster(seeds: readonly string[], hooks: LinkHooks): RedisLinks {
  const cluster: Cluster = {
    seeds,
    hooks,
    nodes: new Map(),
    owners: [],
    doubted: new Set(),
    stopping: new AbortController(),
    isKnown: Promise.withResolvers(),
    isReading: false,
    isReadWanted: false,
    isUnreachable: false,
  };
  let beats = 0;
  readSoon(cluster);
  return {
    isKnown: cluster.isKnown.promise,
    isUp: () => isUp(cluster),
    placeOf: (projectId) => ownerOf(cluster, projectId)?.place(),
    publish: (projectId, text) => publish(cluster, projectId, text),
    take: async (owner, wanted) => {
      const node = ownerOf(cluster, owner);
      if (node === undefined) throw new OutageError('no node of the cluster serves the count');
      return node.count(owner, wanted);
    },
    beat: () => {
      beats += 1;
      for (const node of cluster.nodes.values()) node.ping();
      if (beats % beatsBetweenReads === 0 || !isUp(cluster)) readSoon(cluster);
    },
    stop: async () => {
      cluster.stopping.abort();
      cluster.isKnown.resolve();
      await Promise.all([...cluster.nodes.values()].map((node) => node.stop()));
    },
  };
}

const beatsBetweenReads = 5;
const readPauseMs = 100;
const maxMoves = 5;

interface Cluster {
  /** URLs of the nodes that were named; the others are found through them. */
  readonly seeds: readonly string[];
  readonly hooks: LinkHooks;
  /** The primaries, by `host:port`. */
  readonly nodes: Map<string, RedisNode>;
  /** For each slot the name of its primary; a slot that nobody serves is a hole. */
  owners: string[];
  /** Nodes that have closed channels by themselves since slots were last read. */
  readonly doubted: Set<string>;
  readonly stopping: AbortController;
  readonly isKnown: PromiseWithResolvers<void>;
  isReading: boolean;
  isReadWanted: boolean;
  /** No node answers, which has been logged. */
  isUnreachable: boolean;
}

function isUp({ nodes, owners }: Cluster): boolean {
  let covered = 0;
  // forEach leaves the holes out.
  owners.forEach(() => {
    covered += 1;
  });
  return covered === slotCount && [...nodes.values()].every((node) => node.isUp());
}

function ownerOf({ nodes, owners }: Cluster, projectId: string): RedisNode | undefined {
  const name = owners[slotOf(channelOf(projectId))];
  return name === undefined ? undefined : nodes.get(name);
}

async function publish(cluster: Cluster, projectId: string, text: string): Promise<void> {
  for (let moves = 0; moves < maxMoves; moves += 1) {
    const node = ownerOf(cluster, projectId);
    if (node === undefined) throw new OutageError('no node of the cluster serves the channel');
    try {
      if (await node.publish(projectId, text)) return;
    } catch (error) {
      // Another one may have taken its place meanwhile.
      if (ownerOf(cluster, projectId) === node) throw error;
    }
  }
  throw new Error('the nodes of the cluster do not agree on who serves the channel');
}

/** Reads who serves what: at once, and once more if that is going on. */
function readSoon(cluster: Cluster): void {
  cluster.isReadWanted = true;
  if (!cluster.isReading) void readWhileWanted(cluster);
}

async function readWhileWanted(cluster: Cluster): Promise<void> {
  cluster.isReading = true;
  while (cluster.isReadWanted && !cluster.stopping.signal.aborted) {
    cluster.isReadWanted = false;
    await readOwners(cluster);
    // Nodes that contradict each other must not keep everybody busy.
    await delay(readPauseMs, undefined, { ref: false });
  }
  cluster.isReading = false;
}

/** Never rejects. */
async function readOwners(cluster: Cluster): Promise<void> {
  const { hooks, nodes, doubted, stopping } = cluster;
  const doubtedBefore = [...doubted];
  doubted.clear();
  try {
    const ranges = await findSlots(cluster);
    if (!stopping.signal.aborted) applySlots(cluster, ranges);
  } catch (error) {
    cluster.isKnown.resolve();
    if (!cluster.isUnreachable && !stopping.signal.aborted) hooks.log.warn('bus.cluster_unreachable', { error });
    cluster.isUnreachable = true;
  }
  for (const name of doubtedBefore) {
    const place = nodes.get(name)?.place();
    if (place !== undefined) place.generation += 1;
  }
  await hooks.settle();
  if (doubtedBefore.length > 0) hooks.back();
}

/** The first answer of the nodes that are known; when they have none, of those that were named. */
async function findSlots({ nodes, seeds, stopping }: Cluster): Promise<SlotRange[]> {
  const up = [...nodes.values()].filter((node) => node.isUp());
  try {
    return await Promise.any(up.map((node) => node.readSlots()));
  } catch {
    return await firstAnswer(seeds.map((url) => askSeed(url, stopping.signal)));
  }
}

async function askSeed(url: string, signal: AbortSignal): Promise<SlotRange[]> {
  const answer = await askOnce({ url, name: 'bulkcast-finder' }, (redis) => redis.cluster('SLOTS'), signal);
  return readSlots(answer, hostOf(nameOf(url)));
}

/** Rejects with the first of the reasons when there is no answer. */
async function firstAnswer<T>(questions: readonly Promise<T>[]): Promise<T> {
  try {
    return await Promise.any(questions);
  } catch (error) {
    throw error instanceof AggregateError ? error.errors[0] : error;
  }
}

function applySlots(cluster: Cluster, ranges: readonly SlotRange[]): void {
  const { nodes, hooks } = cluster;
  const owners: string[] = [];
  for (const { first, last, node } of ranges) {
    for (let slot = first; slot <= last; slot += 1) owners[slot] = node;
  }
  cluster.owners = owners;
  const names = new Set(ranges.map(({ node }) => node));
  const isChanged = names.size !== nodes.size || [...names].some((name) => !nodes.has(name));
  const isReplacement = cluster.isUnreachable || nodes.size > 0;
  for (const name of names) openNode(cluster, name, isReplacement);
  for (const [name, node] of nodes) {
    if (names.has(name)) continue;
    nodes.delete(name);
    void node.stop();
  }
  cluster.isUnreachable = false;
  if (!isChanged) return;
  hooks.log.info('bus.primaries', { nodes: [...names] });
  void Promise.all([...nodes.values()].map((node) => node.isKnown)).then(() => cluster.isKnown.resolve());
}

function openNode(cluster: Cluster, name: string, isReplacement: boolean): void {
  const { nodes, seeds, hooks, doubted } = cluster;
  const [seed = ''] = seeds;
  if (nodes.has(name)) return;
  const options = {
    url: urlOfNode(name, seed),
    isSharded: true,
    isReplacement,
    certifiedName: nameOnCertificate(name, seed),
  };
  const node = openRedisNode(options, {
    ...hooks,
    lost: () => readSoon(cluster),
    closedChannel: () => {
      doubted.add(name);
      readSoon(cluster);
    },
    redirected: (slot) => learn(cluster, slot),
  });
  nodes.set(name, node);
}

/** A node has said where a slot is now: that is newer than what was read. */
function learn(cluster: Cluster, { first, node }: SlotRange): void {
  if (cluster.stopping.signal.aborted) return;
  cluster.owners[first] = node;
  openNode(cluster, node, true);
  readSoon(cluster);
}

/** Clusters often name their nodes by address only; then the certificate has to be for the name that led to them. */
function nameOnCertificate(name: string, seed: string): string | undefined {
  const seedHost = hostOf(nameOf(seed));
  const isNeeded = seed.startsWith('rediss:') && isIP(hostOf(name)) !== 0 && isIP(seedHost) === 0;
  return isNeeded ? seedHost : undefined;
}
