import { setImmediate as nextTurn } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { beforeAll, expect, inject, it } from 'vitest';
import type { Bus } from '../../src/progress/bus.ts';
import { openMemoryBus } from '../../src/progress/memory-bus.ts';
import { openRedisBus } from '../../src/progress/redis-bus.ts';
import type { Snapshot } from '../../src/tasks/snapshot.ts';
import { atEndOfFile } from '../support/at-end.ts';
import { createRandom } from '../support/random.ts';
import { waitFor } from '../support/wait.ts';
import { type Follower, openTasks, openTestStreams, recordLog, type TestStreams, type TestTasks } from './fixtures.ts';

let tasks: TestTasks;

beforeAll(async () => {
  tasks = await openTasks();
});

it.each([1, 2, 3, 4])(
  'only grows, ends every task once and leaks nothing, whatever comes, goes and is lost (seed %i)',
  async (seed) => {
    const play = await openPlay(seed, [openRedis(), openRedis()]);
    await walk(play, 250);
    await waitFor(() => hasNoChannel(play), { message: 'no channel is left' });
  },
);

it.each([11, 12, 13, 14, 15, 16])('does so too without a delay between the processes (seed %i)', async (seed) => {
  await walk(await openPlay(seed, [openMemoryBus()]), 400);
});

async function walk(play: Play, length: number): Promise<void> {
  await create(play);
  await followTask(play);
  for (let step = 0; step < length; step += 1) await play.pick(steps)(play);
  await finishAll(play);
  for (const { follower } of play.follows) follower.unblock();
  const isComplete = (one: Follows) => one.hasLeft || missingEnds(play, one).length === 0;
  await waitFor(() => play.follows.every(isComplete), { message: 'every follower has every end' });
  for (const one of play.follows) expectSound(play, one);
  for (const { follower } of play.follows) follower.leave();
  for (const streams of play.gateways) expect(streams.count()).toBe(0);
}

interface Play {
  readonly buses: readonly Bus[];
  readonly gateways: readonly TestStreams[];
  readonly projects: readonly string[];
  readonly newest: Map<string, Snapshot>;
  readonly history: Snapshot[];
  readonly follows: Follows[];
  random(): number;
  pick<T>(list: readonly T[]): T;
}

interface Follows {
  readonly follower: Follower;
  hasLeft: boolean;
  /** The tasks whose end it has to see. */
  owes(task: Snapshot): boolean;
}

type Step = (play: Play) => Promise<unknown>;

/** What happens more often is listed more often. A change that is not published is one that the bus has lost. */
const steps: readonly Step[] = [
  create,
  change,
  followTask,
  leave,
  block,
  async (play) => play.pick(play.follows).follower.unblock(),
  async (play) => publish(play, await create(play)),
  ...Array.from({ length: 6 }, (): Step => async (play) => publish(play, await change(play))),
  async (play) => publish(play, play.pick(play.history)),
  (play) => Promise.all([followTask(play), followTask(play), change(play)]),
  (play) => Promise.all([followTask(play), followTask(play), change(play).then((task) => publish(play, task))]),
  (play) => Promise.all([followProject(play), change(play)]),
  (play) => Promise.all([followTask(play), leave(play)]),
  (play) => Promise.all([followProject(play), leave(play)]),
];

function openRedis(): Bus {
  const bus = openRedisBus({ url: inject('redisUrl'), log: recordLog(), failed: () => undefined });
  atEndOfFile(bus.stop);
  return bus;
}

async function openPlay(seed: number, buses: readonly Bus[]): Promise<Play> {
  for (const bus of buses) await waitFor(bus.isUp, { message: 'the bus is up' });
  const random = createRandom(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  // Now and then a message takes its time, as one does that asks the database.
  const render = (snapshot: Snapshot) => (random() < 0.3 ? nextTurn(snapshot) : snapshot);
  const gateways = buses.map((bus) => openTestStreams(tasks.db, bus, { render }));
  const projects = [await tasks.createProject(), await tasks.createProject()];
  return { buses, gateways, projects, newest: new Map(), history: [], follows: [], random, pick };
}

function record(play: Play, snapshot: Snapshot): Snapshot {
  play.newest.set(snapshot.id, snapshot);
  play.history.push(snapshot);
  return snapshot;
}

function publish(play: Play, snapshot: Snapshot): void {
  play.pick(play.buses).publish(snapshot);
}

async function create(play: Play): Promise<Snapshot> {
  return record(play, await tasks.createTask(play.pick(play.projects), 12));
}

async function change(play: Play): Promise<Snapshot> {
  const task = play.pick([...play.newest.values()]);
  return task.completedAt === null ? record(play, await tasks.change(task)) : task;
}

async function finishAll(play: Play): Promise<void> {
  for (const task of play.newest.values()) {
    const final = task.completedAt === null ? record(play, await tasks.finish(task)) : task;
    if (play.random() < 0.5) publish(play, final);
  }
}

async function followTask(play: Play): Promise<void> {
  const { id, projectId, version } = play.pick([...play.newest.values()]);
  const afterVersion = play.random() < 0.3 ? version : 0;
  const follower = play.pick(play.gateways).followTask({ projectId, id }, afterVersion);
  const owes = (task: Snapshot) => task.id === id && task.version > afterVersion;
  play.follows.push({ follower, hasLeft: false, owes });
}

async function followProject(play: Play): Promise<void> {
  const projectId = play.pick(play.projects);
  const streams = play.pick(play.gateways);
  const follower = streams.followProject(projectId);
  // It owes what ends from when it is ready, which only what comes in tells.
  const follows: Follows = { follower, hasLeft: false, owes: () => false };
  play.follows.push(follows);
  const started = new Set(
    [...play.newest.values()].filter(({ completedAt }) => completedAt === null).map(({ id }) => id),
  );
  follows.owes = (task) => follower.received.some(({ id }) => id === task.id) && started.has(task.id);
}

async function leave(play: Play): Promise<void> {
  const follows = play.pick(play.follows);
  follows.hasLeft = true;
  follows.follower.leave();
}

/** A reader that stops. */
async function block(play: Play): Promise<void> {
  play.pick(play.follows).follower.block();
}

function missingEnds({ newest }: Play, { follower, owes }: Follows): Snapshot[] {
  const has = (end: Snapshot) => follower.received.some(({ id, version }) => id === end.id && version === end.version);
  return [...newest.values()].filter((task) => owes(task) && !has(task));
}

function expectSound(play: Play, { follower, hasLeft }: Follows): void {
  const versions = new Map<string, number>();
  for (const snapshot of follower.received) {
    // A final version is the highest: growing versions also say that an end comes once, and last.
    expect(snapshot.version).toBeGreaterThan(versions.get(snapshot.id) ?? 0);
    expect(play.history).toContainEqual(snapshot);
    versions.set(snapshot.id, snapshot.version);
  }
  expect(follower.error).toBeUndefined();
  if (follower.isOver && !hasLeft && versions.size > 0) expect(follower.received.at(-1)?.completedAt).not.toBeNull();
}

async function hasNoChannel({ projects }: Play): Promise<boolean> {
  const redis = new Redis(inject('redisUrl'));
  try {
    const counts = await redis.pubsub('NUMSUB', ...projects.map((id) => `bulkcast:project:${id}`));
    return counts.filter((_, index) => index % 2 === 1).every((count) => count === 0);
  } finally {
    redis.disconnect();
  }
}
