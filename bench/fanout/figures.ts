import { median, type Summary, summarize } from '../support/stats.ts';
import type { ContenderName } from './contenders.ts';
import type { HalfLoad, Round } from './measure.ts';
import type { Scenario } from './scenarios.ts';

/** What was measured of one contender in one scenario. */
export interface Measured {
  readonly memoryKiB: number;
  readonly rounds: Round[];
  readonly halfLoads: HalfLoad[];
}

export interface ContenderFigures {
  readonly deliveriesPerSecond: Summary;
  /** Processor time of the server, and for comparison of the load client. */
  readonly microsPerDelivery: Summary;
  readonly clientMicrosPerDelivery: Summary;
  readonly memoryKiBPerSubscriber: number;
  readonly halfLoadP50Ms: Summary;
  readonly halfLoadP99Ms: Summary;
  readonly bytesPerDelivery: number;
  /** Over all rounds. Fewer than expected were left out or lost. */
  readonly deliveries: { readonly expected: number; readonly received: number; readonly repeated: number };
}

export interface ScenarioFigures {
  readonly subscribers: number;
  readonly tasks: number;
  readonly documents: number;
  readonly halfLoadPerSecond: number;
  readonly contenders: Readonly<Record<string, ContenderFigures>>;
}

/** Medians of the rounds, with their spread. */
export function toFigures(
  { subscribers, tasks, documents }: Scenario,
  halfLoadIntervalMs: number,
  measured: ReadonlyMap<ContenderName, Measured>,
): ScenarioFigures {
  const contenders = Object.fromEntries([...measured].map(([name, one]) => [name, toContenderFigures(one)]));
  const halfLoadPerSecond = Math.round((subscribers / halfLoadIntervalMs) * 1000);
  return { subscribers, tasks, documents, halfLoadPerSecond, contenders };
}

function toContenderFigures({ memoryKiB, rounds, halfLoads }: Measured): ContenderFigures {
  const all = [...rounds, ...halfLoads];
  const sum = (read: (one: Round | HalfLoad) => number) => all.reduce((total, one) => total + read(one), 0);
  return {
    deliveriesPerSecond: summarize(rounds.map((round) => round.deliveriesPerSecond)),
    microsPerDelivery: summarize(
      rounds.map((round) => round.serverMicros),
      2,
    ),
    clientMicrosPerDelivery: summarize(
      rounds.map((round) => round.clientMicros),
      2,
    ),
    memoryKiBPerSubscriber: Number(memoryKiB.toFixed(2)),
    halfLoadP50Ms: summarize(
      halfLoads.map(({ report }) => report.p50Ms),
      2,
    ),
    halfLoadP99Ms: summarize(
      halfLoads.map(({ report }) => report.p99Ms),
      2,
    ),
    bytesPerDelivery: Math.round(median(rounds.map(({ report }) => report.bytesPerDelivery))),
    deliveries: {
      expected: sum((one) => one.expected),
      received: sum((one) => one.report.deliveries),
      repeated: sum((one) => one.report.repeated),
    },
  };
}

/** The headline ratio, and each figure that has a floor beside it. */
export function judge(scenarios: Readonly<Record<string, ScenarioFigures>>) {
  const { oneTask, oneTaskManySubscribers, manyTasks } = scenarios;
  const processor = compare(oneTask, 'plainWs', (figures) => figures.microsPerDelivery.median);
  return {
    ratio: processor,
    floors: {
      processorOfOneTaskToPlainWs: { value: processor, atMost: 1.25, goal: 1 },
      memoryToPlainWs: {
        value: compare(oneTaskManySubscribers, 'plainWs', (figures) => figures.memoryKiBPerSubscriber),
        atMost: 2,
      },
      processorOfManyTasksToNaive: {
        value: compare(manyTasks, 'naive', (figures) => figures.microsPerDelivery.median),
        atMost: 0.6,
      },
      halfLoadP99Ms: {
        value: oneTask?.contenders.ours?.halfLoadP99Ms.median,
        plainWs: oneTask?.contenders.plainWs?.halfLoadP99Ms.median,
        ofEach: Object.fromEntries(
          Object.entries(scenarios).map(([name, { contenders }]) => [name, contenders.ours?.halfLoadP99Ms.median]),
        ),
        atMost: 20,
      },
    },
  };
}

/** Ours over a peer. */
function compare(
  scenario: ScenarioFigures | undefined,
  peer: ContenderName,
  read: (figures: ContenderFigures) => number,
): number {
  const [ours, theirs] = [scenario?.contenders.ours, scenario?.contenders[peer]];
  if (ours === undefined || theirs === undefined) throw new Error('a scenario was not measured');
  return Number((read(ours) / read(theirs)).toFixed(3));
}
