import { parseArgs } from 'node:util';
import pg from 'pg';
import { mutate, watchTask } from './support/client.ts';
import { readMemoryKiB, readPrivateKiB } from './support/processor.ts';
import { startBenchRedis } from './support/redis.ts';
import { type BenchDatabase, openBenchDatabase, startService } from './support/service.ts';

/**
 * Issues `--cards` (10,000,000) in one task and downloads their CSV, after a task of a tenth of that; gateway and worker are processes
 * of their own. The ratio is the largest memory peak with the large task over that with the small one, of these and of a database connection: 1 is flat. What each
 * took in every tenth of the time is told besides: a process that has just started is still to grow to its size.
 */

const sampleMs = 200;
const issue = `mutation ($input: IssueGiftCardsInput!) { issueGiftCards(input: $input) { task { id } userErrors { message } } }`;
const csvUrl = `query ($id: ID!) { bulkTask(id: $id) { ... on BulkIssuanceTask { csvDownloadUrl } } }`;

export async function run(args: readonly string[]) {
  const { values } = parseArgs({ args: [...args], options: { cards: { type: 'string', default: '10000000' } } });
  const cards = Number(values.cards);
  await using database = await openBenchDatabase();
  await using redis = await startBenchRedis();
  const settings = { REDIS_URL: redis.url, BULKCAST_SECRET: 'a secret that only this benchmark knows' };
  await using gateway = await startService(database.url, { ...settings, BULKCAST_ROLE: 'gateway' });
  await using worker = await startService(database.url, { ...settings, BULKCAST_ROLE: 'worker' });
  const processes = { gateway: gateway.pid, worker: worker.pid };
  const small = await runOne(database, gateway.url, processes, Math.ceil(cards / 10));
  const large = await runOne(database, gateway.url, processes, cards);
  const grown = (['gateway', 'worker', 'databaseConnection'] as const).map(
    (role) => large.memoryMiB[role] / small.memoryMiB[role],
  );
  return { ratio: Number(Math.max(...grown).toFixed(2)), cards, small, large };
}

type Processes = Readonly<Record<'gateway' | 'worker', number>>;

async function runOne(database: BenchDatabase, url: string, processes: Processes, count: number) {
  const { credentials } = database;
  await using peaks = await watchMemory(database.url, processes);
  const startedMs = performance.now();
  const input = { programId: credentials.programId, initialValue: '25.00', count };
  const id = await mutate(url, credentials, JSON.stringify({ query: issue, variables: { input } }));
  const { final, updates } = await watchTask(url, credentials, id);
  if (final.state !== 'SUCCEEDED') throw new Error(`the task ended as ${JSON.stringify(final)}`);
  const issueSeconds = secondsSince(startedMs);
  const downloadedMs = performance.now();
  const csv = await download(url, credentials, id);
  if (csv.lines !== count + 1) throw new Error(`the CSV has ${csv.lines} lines for ${count} cards`);
  const figures = {
    cards: count,
    issueSeconds,
    updates,
    csvSeconds: secondsSince(downloadedMs),
    csv,
    memoryMiB: peaks.miB(),
  };
  process.stderr.write(`${JSON.stringify(figures)}\n`);
  return figures;
}

async function download(url: string, credentials: BenchDatabase['credentials'], id: string) {
  const headers = { 'x-app-id': credentials.appId, 'x-app-token': credentials.appToken };
  const asked = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify({ query: csvUrl, variables: { id } }),
  });
  const answer = (await asked.json()) as { data: { bulkTask: { csvDownloadUrl: string } } };
  const response = await fetch(answer.data.bulkTask.csvDownloadUrl);
  let lines = 0;
  let bytes = 0;
  for await (const part of response.body ?? []) {
    bytes += part.length;
    for (let at = part.indexOf(10); at >= 0; at = part.indexOf(10, at + 1)) lines += 1;
  }
  return { lines, megabytes: Math.round(bytes / 1e6) };
}

/** Looks every now and then how much memory each process has, and the largest of its connections' servers for itself. */
async function watchMemory(databaseUrl: string, processes: Processes) {
  const admin = new pg.Client({ connectionString: databaseUrl });
  await admin.connect();
  const samples = { gateway: [] as number[], worker: [] as number[], databaseConnection: [] as number[] };
  const look = async () => {
    for (const role of ['gateway', 'worker'] as const) samples[role].push((await readMemoryKiB(processes[role])).now);
    const { rows } = await admin.query<{ pid: number }>(
      `select pid from pg_stat_activity where application_name like 'bulkcast%'`,
    );
    const sizes = await Promise.all(rows.map(({ pid }) => readPrivateKiB(pid)));
    samples.databaseConnection.push(Math.max(...sizes));
  };
  let isOver = false;
  const looking = (async () => {
    while (!isOver) {
      await look();
      await new Promise((resolve) => setTimeout(resolve, sampleMs));
    }
  })();
  return {
    miB: () => ({
      gateway: largestMiB(samples.gateway),
      worker: largestMiB(samples.worker),
      databaseConnection: largestMiB(samples.databaseConnection),
      tenths: { gateway: tenthsMiB(samples.gateway), worker: tenthsMiB(samples.worker) },
    }),
    async [Symbol.asyncDispose]() {
      isOver = true;
      await looking;
      await admin.end();
    },
  };
}

function largestMiB(samplesKiB: readonly number[]): number {
  return Number((Math.max(0, ...samplesKiB) / 1024).toFixed(1));
}

/** The largest of each tenth of the samples, in order. */
function tenthsMiB(samplesKiB: readonly number[]): number[] {
  const length = Math.ceil(samplesKiB.length / 10);
  return Array.from({ length: 10 }, (_, tenth) => largestMiB(samplesKiB.slice(tenth * length, (tenth + 1) * length)));
}

function secondsSince(ms: number): number {
  return Number(((performance.now() - ms) / 1000).toFixed(1));
}
