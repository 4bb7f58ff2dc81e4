import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { startDriver } from './fanout/feed.ts';
import type { LoadCommand, LoadReport } from './query/load.ts';
import { installPeers } from './support/peers.ts';
import { readProcessorMs } from './support/processor.ts';
import { startBenchRedis } from './support/redis.ts';
import { type BenchService, openBenchDatabase, startServer, startService } from './support/service.ts';
import { median, summarize } from './support/stats.ts';

const tasks = 1_000;
const connections = 64;

/** Those before the last take the reads of one task that come together in one query, as a gateway does; so that what differs is
 *  the server. The last one shows Mercurius with a query for each request. */
const contenderNames = ['ours', 'mercurius', 'mercuriusJit', 'apollo', 'yoga', 'mercuriusQueryEach'] as const;
type ContenderName = (typeof contenderNames)[number];

interface Round extends LoadReport {
  readonly serverMicros: number;
}

const query = `query task($id: ID!) { bulkTask(id: $id) { __typename ... on TaskProgress {
  id state version progress counts { total processed succeeded failed } ratePerSecond
  createdAt startedAt updatedAt completedAt estimatedCompletionAt
} } }`;

/**
 * Asks for one of 1,000 running tasks by its id, over and over on 64 connections: our gateway and, by turns, Mercurius without and
 * with its compiler, Apollo Server and a plain Yoga, over the same Postgres with equal pools. All servers and the load client are
 * processes of their own. `--quick` is short and rough.
 */
export async function run(args: readonly string[] = []) {
  const isQuick = args.includes('--quick');
  const [rounds, forMs] = isQuick ? [2, 1_000] : [7, 3_000];
  await installPeers();
  await using database = await openBenchDatabase();
  await using redis = await startBenchRedis();
  await using driver = await startDriver(database.url, redis.url);
  const { projectId, credentials, taskIds } = await driver.openFeed(tasks);
  await using opened = new AsyncDisposableStack();
  const env = { NODE_ENV: 'production', DATABASE_URL: database.url, REDIS_URL: redis.url, PROJECT_ID: projectId };
  const servers = new Map<ContenderName, BenchService>();
  for (const name of contenderNames) servers.set(name, opened.use(await start(name, env)));
  const request = {
    headers: { 'content-type': 'application/json', 'x-app-id': credentials.appId, 'x-app-token': credentials.appToken },
    bodies: taskIds.map((id) => JSON.stringify({ query, variables: { id } })),
    connections,
  };
  const measured = new Map<ContenderName, Round[]>(contenderNames.map((name) => [name, []]));
  for (let round = 0; round <= rounds; round += 1) {
    for (const [name, server] of inTurn([...servers], round)) {
      const path = name === 'apollo' ? '/' : '/graphql';
      const result = await measure(server, { ...request, path, port: Number(new URL(server.url).port), forMs });
      const what = round === 0 ? 'warm-up' : `round ${round}`;
      say(`${what}: ${name} ${Math.round(result.requestsPerSecond)}/s, ${result.serverMicros.toFixed(0)} µs each`);
      if (round > 0) measured.get(name)?.push(result);
    }
  }
  return toFigures(isQuick, measured);
}

async function start(name: ContenderName, env: Record<string, string>): Promise<BenchService> {
  const { DATABASE_URL = '', ...others } = env;
  if (name === 'ours') {
    const { PROJECT_ID: _, ...settings } = others;
    return startService(DATABASE_URL, { ...settings, BULKCAST_ROLE: 'gateway' });
  }
  const script = name.startsWith('mercurius') ? 'mercurius' : name;
  return startServer([fileURLToPath(new URL(`query/${script}-server.ts`, import.meta.url))], {
    ...env,
    JIT: name === 'mercuriusJit' ? '1' : '0',
    READS: name === 'mercuriusQueryEach' ? 'each' : 'shared',
  });
}

async function measure({ pid }: BenchService, command: LoadCommand): Promise<Round> {
  const child = fork(fileURLToPath(new URL('query/load.ts', import.meta.url)));
  const before = await readProcessorMs(pid);
  child.send(command);
  const [answer] = await once(child, 'message');
  const spentMs = (await readProcessorMs(pid)) - before;
  child.disconnect();
  await once(child, 'exit');
  if (answer.error !== undefined) throw new Error(answer.error);
  const report: LoadReport = answer.report;
  return { ...report, serverMicros: (spentMs * 1_000) / ((report.requestsPerSecond * command.forMs) / 1_000) };
}

function toFigures(isQuick: boolean, measured: ReadonlyMap<ContenderName, readonly Round[]>) {
  const of = (name: ContenderName, figure: keyof Round) => (measured.get(name) ?? []).map((round) => round[figure]);
  const ratioTo = (name: ContenderName) => {
    const ratio = median(of('ours', 'requestsPerSecond')) / median(of(name, 'requestsPerSecond'));
    return Number(ratio.toFixed(3));
  };
  const contenders = contenderNames.map((name) => {
    const figures = {
      requestsPerSecond: summarize(of(name, 'requestsPerSecond')),
      serverMicros: summarize(of(name, 'serverMicros'), 1),
      p50Ms: summarize(of(name, 'p50Ms'), 2),
      p99Ms: summarize(of(name, 'p99Ms'), 2),
    };
    return [name, figures] as const;
  });
  return {
    ratio: ratioTo('mercurius'),
    ratios: Object.fromEntries(contenderNames.slice(1).map((name) => [name, ratioTo(name)])),
    floor: 1,
    isQuick,
    connections,
    tasks,
    contenders: Object.fromEntries(contenders),
  };
}

/** Each round begins with another one. */
function inTurn<Item>(items: readonly Item[], round: number): Item[] {
  const start = round % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
