import { Agent, request } from 'node:http';
import { type FilledTable, fillTable } from './reads/tables.ts';
import { startBenchRedis } from './support/redis.ts';
import { type BenchDatabase, openBenchDatabase, startService } from './support/service.ts';
import { median, summarize } from './support/stats.ts';

const connections = 4;
const sizes = { small: 1_000, large: 1_000_000 } as const;

interface Read {
  readonly path: string;
  /** Posted; without it the path is got. */
  readonly body?: string;
}

/** The n-th request of a kind of read, on a table. */
type ReadOf = (table: FilledTable, n: number) => Read;

const fields = `nodes { ... on TaskProgress { id state version progress counts { total processed succeeded failed } createdAt updatedAt } }
  pageInfo { hasNextPage endCursor }`;
const page = `query ($filter: BulkTaskFilter, $after: String) { bulkTasks(filter: $filter, first: 20, after: $after) { ${fields} } }`;
const one = `query ($id: ID!) { bulkTask(id: $id) { ... on TaskProgress { id state version progress counts { total processed succeeded failed } } } }`;

const list = (variables: object): Read => ({ path: '/graphql', body: JSON.stringify({ query: page, variables }) });
const cursorOf = ({ middle }: FilledTable) =>
  Buffer.from(`task:${middle.createdAt.getTime()}:${middle.id}`).toString('base64url');
const anId = ({ endedIds }: FilledTable, n: number) => endedIds[n % endedIds.length] ?? '';

const reads: Readonly<Record<string, ReadOf>> = {
  'one task': (table, n) => ({
    path: '/graphql',
    body: JSON.stringify({ query: one, variables: { id: anId(table, n) } }),
  }),
  'one action, REST': (table, n) => ({ path: `/v1/async-actions/${anId(table, n)}` }),
  'first page': () => list({}),
  'a page in the middle': (table) => list({ after: cursorOf(table) }),
  'state SUCCEEDED': () => list({ filter: { state: ['SUCCEEDED'] } }),
  'state FAILED': () => list({ filter: { state: ['FAILED'] } }),
  'state FAILED in the middle': (table) => list({ filter: { state: ['FAILED'] }, after: cursorOf(table) }),
  'state RUNNING': () => list({ filter: { state: ['RUNNING'] } }),
  'all that have not ended': () => list({ filter: { state: ['QUEUED', 'RUNNING', 'PAUSED', 'CANCELING'] } }),
  'state CANCELING: none': () => list({ filter: { state: ['CANCELING'] } }),
  'model BULK_ISSUANCE': () => list({ filter: { model: ['BULK_ISSUANCE'] } }),
  'a rare type': () => list({ filter: { type: ['SKUS_IMPORT_CSV'] } }),
  'a type that is not there': () => list({ filter: { type: ['CAMPAIGN_VOUCHERS_IMPORT'] } }),
  'a rare type FAILED': () => list({ filter: { type: ['ORDERS_IMPORT'], state: ['FAILED'] } }),
  'started in the middle half': ({ from, until }) => list({ filter: { createdAfter: from, createdBefore: until } }),
  'FAILED in the middle half': ({ from, until }) =>
    list({ filter: { state: ['FAILED'], createdAfter: from, createdBefore: until } }),
  'list of actions, REST': () => ({ path: '/v1/async-actions?limit=100' }),
  'list of actions before the middle, REST': ({ middle }) => ({
    path: `/v1/async-actions?limit=100&end_date=${middle.createdAt.toISOString()}`,
  }),
  'counts of unfinished tasks, /metrics': () => ({ path: '/metrics' }),
};

interface Side {
  readonly table: FilledTable;
  readonly get: (read: Read) => Promise<number>;
}

/**
 * Reads of one project through a gateway, over HTTP, on a table of 1,000 tasks and by turns on one of 1,000,000, each with a Postgres and
 * a gateway of its own: p50 and p99 of each, and p99 of the large one over the small one's. `--quick` is short and rough.
 */
export async function run(args: readonly string[] = []) {
  const isQuick = args.includes('--quick');
  const [rounds, requests] = isQuick ? [3, 100] : [7, 400];
  await using opened = new AsyncDisposableStack();
  const redis = opened.use(await startBenchRedis());
  const openSide = async (count: number): Promise<Side> => {
    const database = opened.use(await openBenchDatabase());
    say(`inserting ${count} tasks`);
    const table = await fillTable(database, count);
    const settings = { REDIS_URL: redis.url, BULKCAST_ROLE: 'gateway', NODE_ENV: 'production' };
    const service = opened.use(await startService(database.url, settings));
    return { table, get: createGetter(service.url, database) };
  };
  const small = await openSide(sizes.small);
  const large = await openSide(sizes.large);
  const results = [];
  for (const [name, readOf] of Object.entries(reads)) {
    const result = await compare(name, readOf, { small, large }, { rounds, requests });
    say(
      `${name}: p99 ${result.small.p99Ms.median} ms, of a million ${result.large.p99Ms.median} ms, ratio ${result.ratio}`,
    );
    results.push([name, result] as const);
  }
  const ratio = Math.max(...results.map(([, result]) => result.ratio));
  return { ratio, isQuick, sizes, connections, reads: Object.fromEntries(results) };
}

async function compare(
  name: string,
  readOf: ReadOf,
  sides: { readonly small: Side; readonly large: Side },
  { rounds, requests }: { readonly rounds: number; readonly requests: number },
) {
  const took = { small: [] as number[][], large: [] as number[][] };
  for (let round = 0; round <= rounds; round += 1) {
    for (const size of round % 2 === 0 ? (['small', 'large'] as const) : (['large', 'small'] as const)) {
      const sorted = await measure(sides[size], readOf, requests, round).catch((cause: unknown) => {
        throw new Error(`${name} on the ${size} table`, { cause });
      });
      // The first one warms up.
      if (round > 0) took[size].push(sorted);
    }
  }
  const at = (sorted: readonly number[], part: number) => sorted[Math.floor(part * (sorted.length - 1))] ?? Number.NaN;
  const p99Of = (size: 'small' | 'large') => took[size].map((sorted) => at(sorted, 0.99));
  const figures = (size: 'small' | 'large') => ({
    p50Ms: summarize(
      took[size].map((sorted) => at(sorted, 0.5)),
      2,
    ),
    p99Ms: summarize(p99Of(size), 2),
  });
  const ratio = Number((median(p99Of('large')) / median(p99Of('small'))).toFixed(2));
  return { ratio, small: figures('small'), large: figures('large') };
}

/** How long each of so many reads took, sorted. */
async function measure({ table, get }: Side, readOf: ReadOf, requests: number, round: number): Promise<number[]> {
  const took: number[] = [];
  let next = round * requests;
  const end = next + requests;
  const keepBusy = async () => {
    while (next < end) {
      next += 1;
      took.push(await get(readOf(table, next)));
    }
  };
  await Promise.all(Array.from({ length: connections }, keepBusy));
  return took.sort((a, b) => a - b);
}

/** Reads, and tells how many milliseconds it took. Throws unless the answer is 200 without errors. */
function createGetter(url: string, { credentials }: BenchDatabase): Side['get'] {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const headers = {
    'x-app-id': credentials.appId,
    'x-app-token': credentials.appToken,
    'content-type': 'application/json',
  };
  return ({ path, body }) =>
    new Promise((resolve, reject) => {
      const startedMs = performance.now();
      const asked = request(
        `${url}${path}`,
        { agent, method: body === undefined ? 'GET' : 'POST', headers },
        (answer) => {
          const parts: Buffer[] = [];
          answer.on('data', (part: Buffer) => parts.push(part));
          answer.on('error', reject).on('end', () => {
            const ms = performance.now() - startedMs;
            const text = Buffer.concat(parts).toString();
            if (answer.statusCode === 200 && !text.includes('"errors":[{') && text !== '{"data":{"bulkTask":null}}')
              return resolve(ms);
            reject(new Error(`${path} answered ${answer.statusCode} ${text.slice(0, 500)}`));
          });
        },
      );
      asked.on('error', reject).end(body);
    });
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
