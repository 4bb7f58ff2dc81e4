import { readFile } from 'node:fs/promises';
import { type Contender, type ContenderName, contenderNames, type Place, startContender } from './fanout/contenders.ts';
import { startDriver } from './fanout/feed.ts';
import { judge, type Measured, type ScenarioFigures, toFigures } from './fanout/figures.ts';
import { measureHalfLoad, measureRound, settledMemoryKiB } from './fanout/measure.ts';
import { chooseScenarios, type Scenario } from './fanout/scenarios.ts';
import { installPeers } from './support/peers.ts';
import { startBenchRedis } from './support/redis.ts';
import { openBenchDatabase } from './support/service.ts';
import { median } from './support/stats.ts';

/**
 * Pushes changes of tasks to thousands of subscribers, through a gateway of ours and, by turns, through a plain `ws` broadcast,
 * a naive graphql-ws server and Mercurius. Server and load client are processes of their own; this one plays the worker: it
 * commits each change and publishes it on the bus, the same for all. `--quick` is short and rough.
 */
export async function run(args: readonly string[] = []) {
  const isQuick = args.includes('--quick');
  const scenarios = chooseScenarios(isQuick);
  await checkOpenFiles(Math.max(...scenarios.map(({ subscribers }) => subscribers)));
  await installPeers();
  await using database = await openBenchDatabase();
  await using redis = await startBenchRedis();
  await using driver = await startDriver(database.url, redis.url);
  const place: Place = { databaseUrl: database.url, redisUrl: redis.url, driver };
  const figures: Record<string, ScenarioFigures> = {};
  for (const scenario of scenarios) figures[scenario.name] = await runScenario(scenario, place);
  return { ...judge(figures), isQuick, scenarios: figures };
}

/** A process holds one end of every connection, and some files besides. */
const otherFiles = 1_000;

async function checkOpenFiles(subscribers: number): Promise<void> {
  const limits = await readFile('/proc/self/limits', 'utf8');
  const limit = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
  if (limit >= subscribers + otherFiles) return;
  const need = `${subscribers} sockets in one process need ${subscribers + otherFiles} open files`;
  throw new Error(`${need}, the limit is ${limit}: run \`ulimit -n ${2 * subscribers}\` first, or \`--quick\``);
}

async function runScenario(scenario: Scenario, place: Place): Promise<ScenarioFigures> {
  const { name, subscribers, tasks, documents, rounds, halfLoadRounds } = scenario;
  say(`${name}: ${subscribers} subscribers, tasks: ${tasks}, documents: ${documents}`);
  await using opened = new AsyncDisposableStack();
  const contenders = await startAll(opened, scenario, place);
  const memory = await fill(contenders, scenario);
  const measured = new Map<ContenderName, Measured>();
  for (const each of contenders) {
    measured.set(each.name, { memoryKiB: memory.get(each.name) ?? Number.NaN, rounds: [], halfLoads: [] });
  }
  for (let round = 0; round <= rounds; round += 1) {
    for (const contender of inTurn(contenders, round)) {
      const result = await measureRound(contender, round === 0 ? scenario.warmUpChanges : scenario.changes);
      const what = round === 0 ? 'warm-up' : `round ${round}`;
      say(
        `  ${what}: ${contender.name} ${toRate(result.deliveriesPerSecond)}, ${result.serverMicros.toFixed(1)} µs each`,
      );
      if (round > 0) measured.get(contender.name)?.rounds.push(result);
    }
  }
  // Twice the interval at which ours, going flat out, took the changes.
  const intervalMs = 2 * median((measured.get('ours')?.rounds ?? []).map((round) => round.intervalMs));
  for (let round = 1; round <= halfLoadRounds; round += 1) {
    for (const contender of inTurn(contenders, round)) {
      const result = await measureHalfLoad(contender, intervalMs);
      const { p50Ms, p99Ms } = result.report;
      say(`  half load ${round}: ${contender.name} p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms`);
      measured.get(contender.name)?.halfLoads.push(result);
    }
  }
  return toFigures(scenario, intervalMs, measured);
}

async function startAll(opened: AsyncDisposableStack, scenario: Scenario, place: Place): Promise<readonly Contender[]> {
  const starting = contenderNames.map(async (name) => opened.use(await startContender(name, scenario, place)));
  await Promise.allSettled(starting);
  return Promise.all(starting);
}

/** The subscribers that are there, and have been pushed to, before the memory is first read: what a server loads and allocates
 *  once is not an idle subscriber's. */
const firstSubscribers = 100;

/** Subscribes everybody, one contender after the other, and returns what an idle subscriber takes in memory, in KiB. */
async function fill(contenders: readonly Contender[], { subscribers, tasks }: Scenario) {
  const first = firstSubscribers;
  for (const { subscribe, load, feed } of contenders) {
    await subscribe(0, first);
    await load.begin(first);
    await feed.change(0, Math.min(first, tasks));
    await load.received(first);
  }
  const before = await Promise.all(contenders.map(({ server }) => settledMemoryKiB(server.pid)));
  for (const { subscribe } of contenders) await subscribe(first, subscribers);
  const after = await Promise.all(contenders.map(({ server }) => settledMemoryKiB(server.pid)));
  const each = contenders.map(({ name }, index) => {
    const memoryKiB = ((after[index] ?? 0) - (before[index] ?? 0)) / (subscribers - first);
    return [name, memoryKiB] as const;
  });
  say(`  memory: ${each.map(([name, kib]) => `${name} ${kib.toFixed(1)} KiB`).join(', ')}`);
  return new Map(each);
}

/** Each round begins with another one. */
function inTurn(contenders: readonly Contender[], round: number): Contender[] {
  const start = round % contenders.length;
  return [...contenders.slice(start), ...contenders.slice(0, start)];
}

function toRate(perSecond: number): string {
  return `${Math.round(perSecond)}/s`;
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
