import { setTimeout as delay } from 'node:timers/promises';
import { monotonicMs } from '../support/clock.ts';
import { readMemoryKiB, readProcessorMs } from '../support/processor.ts';
import type { Contender } from './contenders.ts';
import type { Commit, Report } from './load.ts';

/** Ours lets a task's changes through at most every 100 ms: one more often would be left out, by ours alone. */
const shortestIntervalMs = 110;
/** The parts that many tasks change in at half load, as tasks do that have nothing to do with each other. */
const slices = 20;

export interface Round {
  /** Subscribers over the time from a commit to the last delivery, over all changes. */
  readonly deliveriesPerSecond: number;
  readonly serverMicros: number;
  readonly clientMicros: number;
  /** From one change to the next. */
  readonly intervalMs: number;
  readonly expected: number;
  readonly report: Report;
}

/** Changes all tasks, again and again: as soon as everybody has the change, and never faster than ours lets through. */
export async function measureRound(contender: Contender, changes: number): Promise<Round> {
  const { feed, load, scenario } = contender;
  const expected = changes * scenario.subscribers;
  await load.begin(expected);
  const before = await readSpent(contender);
  const commits: Commit[] = [];
  const startedMs = monotonicMs();
  let pushingMs = 0;
  for (let change = 1; change <= changes; change += 1) {
    const nextMs = monotonicMs() + shortestIntervalMs;
    const committed = await feed.change(0, scenario.tasks);
    commits.push(...committed);
    const { lastMs } = await load.received(change * scenario.subscribers);
    pushingMs += lastMs - (committed[0]?.committedMs ?? Number.NaN);
    await until(nextMs);
  }
  const intervalMs = (monotonicMs() - startedMs) / changes;
  const after = await readSpent(contender);
  const report = await load.report(commits);
  const micros = (ms: number) => (ms * 1000) / report.deliveries;
  return {
    deliveriesPerSecond: (report.deliveries / pushingMs) * 1000,
    serverMicros: micros(after.serverMs - before.serverMs),
    clientMicros: micros(after.clientMs - before.clientMs),
    intervalMs,
    expected,
    report,
  };
}

async function readSpent({ server, load }: Contender): Promise<{ serverMs: number; clientMs: number }> {
  return { serverMs: await readProcessorMs(server.pid), clientMs: await readProcessorMs(load.pid) };
}

export interface HalfLoad {
  readonly expected: number;
  readonly report: Report;
}

/** Changes every task once in `intervalMs`, by the clock and whether or not the server keeps up. */
export async function measureHalfLoad(contender: Contender, intervalMs: number): Promise<HalfLoad> {
  const { feed, load, scenario } = contender;
  const { tasks, subscribers, halfLoadMs } = scenario;
  const parts = Math.min(tasks, slices);
  const changes = Math.max(2, Math.round(halfLoadMs / intervalMs));
  const expected = changes * subscribers;
  await load.begin(expected);
  const commits: Commit[] = [];
  const startedMs = monotonicMs();
  for (let step = 0; step < changes * parts; step += 1) {
    await until(startedMs + (step * intervalMs) / parts);
    const part = step % parts;
    commits.push(...(await feed.change((part * tasks) / parts, ((part + 1) * tasks) / parts)));
  }
  await load.received(expected);
  return { expected, report: await load.report(commits) };
}

async function until(ms: number): Promise<void> {
  await delay(Math.max(0, ms - monotonicMs()));
}

/** Resident memory in KiB once it has stood still for a second, or after five. */
export async function settledMemoryKiB(pid: number): Promise<number> {
  const seen: number[] = [];
  while (seen.length < mostSamples) {
    seen.push((await readMemoryKiB(pid)).now);
    const lately = seen.slice(-stillSamples);
    const isStill = Math.min(...lately) > stillShare * Math.max(...lately);
    if (lately.length === stillSamples && isStill) break;
    await delay(sampleMs);
  }
  return seen.at(-1) ?? Number.NaN;
}

const sampleMs = 250;
const stillSamples = 5;
const mostSamples = 20;
const stillShare = 0.99;
