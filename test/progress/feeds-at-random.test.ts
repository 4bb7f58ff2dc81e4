import { Redis } from 'ioredis';
import { beforeAll, expect, inject, it } from 'vitest';
import type { Bus } from '../../src/progress/bus.ts';
import { openRedisBus } from '../../src/progress/redis-bus.ts';
import type { Snapshot } from '../../src/tasks/snapshot.ts';
import { atEndOfFile } from '../support/at-end.ts';
import { waitFor } from '../support/wait.ts';
import {
  openTasks,
  openTestFeeds,
  type Reading,
  readAll,
  recordLog,
  type TestFeeds,
  type TestTasks,
} from './fixtures.ts';

let tasks: TestTasks;

beforeAll(async () => {
  tasks = await openTasks();
});

it.each([1, 2, 3, 4])(
  'only grows, ends every task once and leaks nothing, whatever comes, goes and is lost (seed %i)',
  async (seed) => {
    const play = await openPlay(seed);
    await create(play);
    await watchTask(play);
    for (let step = 0; step < 250; step += 1) await play.pick(steps)(play);
    await finishAll(play);
    const isComplete = (watch: Watched) => watch.abort.signal.aborted || missingEnds(play, watch).length === 0;
    await waitFor(() => play.watches.every(isComplete), { message: 'every watch has every end' });
    for (const watch of play.watches) expectSound(play, watch);
    for (const { abort } of play.watches) abort.abort();
    await waitFor(() => play.watches.every(({ reading }) => reading.isOver), { message: 'every watch is over' });
    for (const feeds of play.gateways) expect(await feeds.countWatches()).toBe(0);
    await waitFor(() => hasNoChannel(play), { message: 'no channel is left' });
  },
);

interface Play {
  readonly buses: readonly Bus[];
  readonly gateways: readonly TestFeeds[];
  readonly projects: readonly string[];
  readonly newest: Map<string, Snapshot>;
  readonly history: Snapshot[];
  readonly watches: Watched[];
  random(): number;
  pick<T>(list: readonly T[]): T;
}

interface Watched {
  readonly reading: Reading;
  readonly abort: AbortController;
  /** The tasks whose end it has to see. */
  owes(task: Snapshot): boolean;
}

type Step = (play: Play) => Promise<unknown>;

/** What happens more often is listed more often. A change that is not published is one that the bus has lost. */
const steps: readonly Step[] = [
  create,
  change,
  watchTask,
  leave,
  async (play) => publish(play, await create(play)),
  ...Array.from({ length: 6 }, (): Step => async (play) => publish(play, await change(play))),
  async (play) => publish(play, play.pick(play.history)),
  (play) => Promise.all([watchTask(play), watchTask(play), change(play)]),
  (play) => Promise.all([watchProject(play), change(play)]),
  (play) => Promise.all([watchTask(play), leave(play)]),
  (play) => Promise.all([watchProject(play), leave(play)]),
];

async function openPlay(seed: number): Promise<Play> {
  const open = () => openRedisBus({ url: inject('redisUrl'), log: recordLog(), failed: () => undefined });
  const buses = [open(), open()];
  for (const bus of buses) {
    atEndOfFile(bus.stop);
    await waitFor(bus.isUp, { message: 'the bus is up' });
  }
  const random = createRandom(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const gateways = buses.map((bus) => openTestFeeds(tasks.db, bus));
  const projects = [await tasks.createProject(), await tasks.createProject()];
  return { buses, gateways, projects, newest: new Map(), history: [], watches: [], random, pick };
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

async function watchTask(play: Play): Promise<void> {
  const { id, projectId, version } = play.pick([...play.newest.values()]);
  const abort = new AbortController();
  const afterVersion = play.random() < 0.3 ? version : undefined;
  const watch = await play.pick(play.gateways).watchTask(projectId, id, { afterVersion, signal: abort.signal });
  const owes = (task: Snapshot) => task.id === id && task.version > (afterVersion ?? 0);
  play.watches.push({ reading: readAll(watch), abort, owes });
}

async function watchProject(play: Play): Promise<void> {
  const projectId = play.pick(play.projects);
  const abort = new AbortController();
  const watch = await play.pick(play.gateways).watchProject(projectId, { matches: () => true, signal: abort.signal });
  const before = [...play.newest.values()].filter(({ completedAt }) => completedAt !== null).map(({ id }) => id);
  const owes = (task: Snapshot) => task.projectId === projectId && !before.includes(task.id);
  play.watches.push({ reading: readAll(watch), abort, owes });
}

async function leave(play: Play): Promise<void> {
  play.pick(play.watches).abort.abort();
}

function missingEnds({ newest }: Play, { reading, owes }: Watched): Snapshot[] {
  const has = (end: Snapshot) => reading.received.some(({ id, version }) => id === end.id && version === end.version);
  return [...newest.values()].filter((task) => owes(task) && !has(task));
}

function expectSound(play: Play, { reading, abort }: Watched): void {
  const versions = new Map<string, number>();
  for (const snapshot of reading.received) {
    // A final version is the highest: growing versions also say that an end comes once, and last.
    expect(snapshot.version).toBeGreaterThan(versions.get(snapshot.id) ?? 0);
    expect(play.history).toContainEqual(snapshot);
    versions.set(snapshot.id, snapshot.version);
  }
  if (versions.size === 1 && !abort.signal.aborted) expect(reading.received.at(-1)?.completedAt).not.toBeNull();
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

/** mulberry32: the same seed gives the same numbers from 0 to 1. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
