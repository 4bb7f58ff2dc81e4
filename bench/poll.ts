import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { type Feed, startDriver } from './fanout/feed.ts';
import { type Answers, readAnswer } from './poll/answer.ts';
import { type Load, startLoad } from './poll/load-client.ts';
import { readMemoryKiB, readProcessorMs } from './support/processor.ts';
import { startBenchRedis } from './support/redis.ts';
import {
  type BenchDatabase,
  type BenchService,
  openBenchDatabase,
  startServer,
  startService,
} from './support/service.ts';
import { median, summarize } from './support/stats.ts';

/**
 * Polls tasks as legacy clients do, at a gateway of ours and, by turns, at bare node:http and at a Fastify route that reads the
 * row; all answer the same bytes. Servers and load client are processes of their own; this one plays the worker, and changes
 * the running task ten times a second. `--quick` is short and rough.
 */
export async function run(args: readonly string[] = []) {
  const isQuick = args.includes('--quick');
  await using database = await openBenchDatabase();
  await using redis = await startBenchRedis();
  await using driver = await startDriver(database.url, redis.url);
  const feed = await driver.openFeed(tasks);
  const finishedId = await finishOne(database.url, feed);
  await using load = startLoad();
  await using contenders = await startAll(database, redis.url, feed, finishedId, load);
  const changing = changeOften(feed);
  try {
    const figures = await measureAll(contenders.all, scenariosOf(feed, finishedId), load, isQuick);
    return { ...figures, isQuick, wait: await measureWaits(contenders.all, feed, load) };
  } finally {
    await changing.stop();
  }
}

const tasks = 10_001;
const connections = 64;
const waiters = 5_000;
const changeMs = 100;

interface Contender {
  readonly name: 'ours' | 'nodeHttp' | 'fastifyPg';
  readonly server: BenchService;
}

interface Scenario {
  readonly name: 'running' | 'finished' | 'notModified' | 'many';
  readonly paths: readonly string[];
  readonly headers: readonly string[];
  readonly status: 200 | 304;
}

function pathOf({ credentials }: Feed, id: string): string {
  return `/v2/giftcards/programs/${credentials.programId}/cards/bulk/${id}`;
}

function keysOf({ credentials }: Feed): string[] {
  return [`X-App-Id: ${credentials.appId}`, `X-App-Token: ${credentials.appToken}`, 'Accept: application/json'];
}

function scenariosOf(feed: Feed, finishedId: string): Scenario[] {
  const headers = keysOf(feed);
  const finished = [pathOf(feed, finishedId)];
  const others = feed.taskIds.filter((id) => id !== finishedId).map((id) => pathOf(feed, id));
  return [
    { name: 'running', paths: others.slice(0, 1), headers, status: 200 },
    { name: 'finished', paths: finished, headers, status: 200 },
    { name: 'notModified', paths: finished, headers: [...headers, 'If-None-Match: "3"'], status: 304 },
    { name: 'many', paths: others, headers, status: 200 },
  ];
}

/** The last task ends: its third version. */
async function finishOne(databaseUrl: string, { taskIds }: Feed): Promise<string> {
  const id = taskIds.at(-1) ?? '';
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query(
    `update tasks set state = 'SUCCEEDED', version = version + 1, succeeded = total, processed = total,
      updated_at = clock_timestamp(), completed_at = clock_timestamp() where id = $1`,
    [id],
  );
  await client.end();
  return id;
}

async function startAll(database: BenchDatabase, redisUrl: string, feed: Feed, finishedId: string, load: Load) {
  await using opened = new AsyncDisposableStack();
  const common = { NODE_ENV: 'production' };
  const ours = opened.use(
    await startService(database.url, { ...common, REDIS_URL: redisUrl, BULKCAST_ROLE: 'gateway' }),
  );
  const sample = async (id: string) => {
    const path = pathOf(feed, id);
    const text = await load.sample({ port: portOf(ours), path, headers: keysOf(feed) });
    if (!text.startsWith('HTTP/1.1 200')) throw new Error(text);
    return readAnswer(path, text);
  };
  const answers: Answers = { running: await sample(feed.taskIds[0] ?? ''), finished: await sample(finishedId) };
  const env = { ...common, DATABASE_URL: database.url, ANSWERS: JSON.stringify(answers) };
  const startPeer = async (file: string) =>
    opened.use(await startServer([fileURLToPath(new URL(`poll/${file}`, import.meta.url))], env));
  const all: Contender[] = [
    { name: 'ours', server: ours },
    { name: 'nodeHttp', server: await startPeer('plain-server.ts') },
    { name: 'fastifyPg', server: await startPeer('fastify-server.ts') },
  ];
  const closing = opened.move();
  return { all, [Symbol.asyncDispose]: () => closing.disposeAsync() };
}

function portOf({ url }: BenchService): number {
  return Number(new URL(url).port);
}

/** Commits and publishes a change of the first task, again and again. */
function changeOften(feed: Feed): { stop(): Promise<void> } {
  const over = new AbortController();
  const work = async () => {
    while (!over.signal.aborted) {
      await feed.change(0, 1);
      await delay(changeMs);
    }
  };
  const done = work();
  return {
    stop: async () => {
      over.abort();
      await done;
    },
  };
}

/** Long enough for each task to have been polled before. */
function warmUpMsOf({ paths }: Scenario): number {
  return 1_000 + paths.length;
}

interface Round {
  readonly perSecond: number;
  readonly micros: number;
  readonly wrong: number;
  readonly older: number;
}

async function measureAll(
  contenders: readonly Contender[],
  scenarios: readonly Scenario[],
  load: Load,
  isQuick: boolean,
) {
  const rounds = isQuick ? 2 : 5;
  const ms = isQuick ? 1_000 : 3_000;
  const measured = new Map<string, Round[]>();
  for (const scenario of scenarios) {
    for (let round = 0; round <= rounds; round += 1) {
      for (const contender of [...contenders.slice(round % 3), ...contenders.slice(0, round % 3)]) {
        const result = await measureRound(contender, scenario, load, round === 0 ? warmUpMsOf(scenario) : ms);
        const { perSecond, micros } = result;
        say(`${scenario.name} ${round}: ${contender.name} ${Math.round(perSecond)}/s, ${micros.toFixed(1)} µs each`);
        if (round === 0) continue;
        const key = `${scenario.name} ${contender.name}`;
        measured.set(key, [...(measured.get(key) ?? []), result]);
      }
    }
  }
  const ratioOf = (scenario: string) =>
    Number(
      (
        median((measured.get(`${scenario} ours`) ?? []).map(({ perSecond }) => perSecond)) /
        median((measured.get(`${scenario} nodeHttp`) ?? []).map(({ perSecond }) => perSecond))
      ).toFixed(3),
    );
  return {
    ratio: ratioOf('running'),
    floors: { runningToNodeHttp: { value: ratioOf('running'), atLeast: 0.6, goal: 0.8 } },
    ratios: Object.fromEntries(scenarios.map(({ name }) => [name, ratioOf(name)])),
    scenarios: Object.fromEntries([...measured].map(([key, all]) => [key, summarizeRounds(all)])),
  };
}

function summarizeRounds(rounds: readonly Round[]) {
  return {
    perSecond: summarize(rounds.map(({ perSecond }) => perSecond)),
    processorMicros: summarize(
      rounds.map(({ micros }) => micros),
      1,
    ),
    wrong: rounds.reduce((sum, { wrong }) => sum + wrong, 0),
    older: rounds.reduce((sum, { older }) => sum + older, 0),
  };
}

async function measureRound({ server }: Contender, scenario: Scenario, load: Load, ms: number): Promise<Round> {
  const { paths, headers, status } = scenario;
  const before = await readProcessorMs(server.pid);
  const polled = await load.poll({ port: portOf(server), paths, headers, status, connections, ms });
  const spentMs = (await readProcessorMs(server.pid)) - before;
  const { answers, wrong, older } = polled;
  return { perSecond: (answers / polled.ms) * 1000, micros: (spentMs * 1000) / answers, wrong, older };
}

/** Polls that wait for a change, of a task that stands still until all of them wait. */
async function measureWaits(contenders: readonly Contender[], feed: Feed, load: Load) {
  const figures: Record<string, object> = {};
  for (const { name, server } of contenders) {
    if (name === 'fastifyPg') continue;
    const port = portOf(server);
    const path = pathOf(feed, feed.taskIds[1] ?? '');
    const headers = [...keysOf(feed), 'Prefer: wait=60'];
    const { now: before } = await readMemoryKiB(server.pid);
    await load.hold({ port, path, headers, connections: waiters });
    await delay(settleMs);
    const { now: after } = await readMemoryKiB(server.pid);
    const processorBefore = await readProcessorMs(server.pid);
    const changedMs = Date.now();
    if (name === 'ours') await feed.change(1, 2);
    else await fetch(`${server.url}/release`);
    const { answered, lastMs } = await load.held({ waitMs: 20_000 });
    const processorMs = (await readProcessorMs(server.pid)) - processorBefore;
    figures[name] = {
      waiting: waiters,
      answered,
      allAnsweredMs: lastMs - changedMs,
      processorMs: Math.round(processorMs),
      memoryKiBEach: Number(((after - before) / waiters).toFixed(2)),
    };
    say(`wait: ${name} ${JSON.stringify(figures[name])}`);
  }
  return figures;
}

const settleMs = 3_000;

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
