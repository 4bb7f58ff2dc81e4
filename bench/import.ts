import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from } from 'pg-copy-streams';
import { newRecordIds } from '../src/domain/ids.ts';
import { importVouchers, mutate, mutateWithFile, watchTask } from './support/client.ts';
import { startBenchRedis } from './support/redis.ts';
import { openBenchDatabase, startService } from './support/service.ts';
import { median, summarize } from './support/stats.ts';

/**
 * Imports 200,000 vouchers, by JSON batches through GraphQL, by JSON batches through REST and by one CSV upload, each from the
 * first request to the last final snapshot, and COPYs the same rows into a table with the same indexes and constraints over two
 * connections; by turns, in the same Postgres, from empty tables each time. A gateway and a worker with four slots run as
 * processes of their own, as in production. The ratio is the lowest of the three over COPY, of the medians.
 */

const vouchers = 200_000;
const batch = 10_000;
/** Batches that are under way at once; the next is sent when one has been answered. */
const senders = 2;
const rounds = 5;

const importJson = `mutation ($vouchers: [VoucherInput!]!) {
  importVouchers(input: { vouchers: $vouchers }) { task { id } userErrors { message } }
}`;
const importCsv = `mutation ($file: File!) { importVouchersCsv(input: { file: $file }) { task { id } userErrors { message } } }`;

export async function run() {
  await using database = await openBenchDatabase();
  await using redis = await startBenchRedis();
  const admin = new pg.Client({ connectionString: database.url });
  // The database is stopped under it when something else fails, which is what is to be told.
  admin.on('error', () => undefined);
  await admin.connect();
  await admin.query('create table copied_vouchers (like vouchers including all)');
  await admin.query('alter table copied_vouchers add foreign key (campaign_id) references campaigns');
  const { rows } = await admin.query<{ id: string }>('select id from projects');
  const copied = readyMadeRows(rows[0]?.id ?? '');
  await using gateway = await startService(database.url, { REDIS_URL: redis.url, BULKCAST_ROLE: 'gateway' });
  await using _worker = await startService(database.url, {
    REDIS_URL: redis.url,
    BULKCAST_ROLE: 'worker',
    BULKCAST_WORKER_SLOTS: '4',
  });
  const { credentials } = database;
  const ended = async (id: string) => {
    const { final } = await watchTask(gateway.url, credentials, id);
    if (final.state !== 'SUCCEEDED') throw new Error(`the task ended as ${JSON.stringify(final)}`);
  };
  const bodies = {
    graphql: makeBodies(graphqlVoucher, (part) => ({ query: importJson, variables: { vouchers: part } })),
    rest: makeBodies(restVoucher, (part) => part),
    csv: makeCsv(),
  };
  const contenders = {
    graphql: () => sendAll(bodies.graphql, (body) => mutate(gateway.url, credentials, body), ended),
    rest: () => sendAll(bodies.rest, (body) => importVouchers(gateway.url, credentials, body), ended),
    csv: async () => ended(await mutateWithFile(gateway.url, credentials, importCsv, bodies.csv)),
    copy: () => copyRows(database.url, copied),
  };
  const perSecond: Record<keyof typeof contenders, number[]> = { graphql: [], rest: [], csv: [], copy: [] };
  const clear = async () => {
    await admin.query('truncate vouchers, copied_vouchers, tasks cascade');
    await admin.query('checkpoint');
  };
  for (let round = 0; round <= rounds; round += 1) {
    for (const [name, contender] of Object.entries(contenders)) {
      await clear();
      const startedMs = performance.now();
      await contender();
      const rate = (vouchers / (performance.now() - startedMs)) * 1000;
      process.stderr.write(`${round === 0 ? 'warm-up' : `round ${round}`}: ${name} ${Math.round(rate)}/s\n`);
      if (round > 0) perSecond[name as keyof typeof contenders].push(rate);
    }
  }
  await admin.end();
  const ratioTo = (rates: readonly number[]) => Number((median(rates) / median(perSecond.copy)).toFixed(3));
  const ratios = { graphql: ratioTo(perSecond.graphql), rest: ratioTo(perSecond.rest), csv: ratioTo(perSecond.csv) };
  return {
    ratio: Math.min(...Object.values(ratios)),
    ratios,
    vouchers,
    rounds,
    perSecond: Object.fromEntries(Object.entries(perSecond).map(([name, rates]) => [name, summarize(rates)])),
  };
}

/** Resolves when all bodies have been taken and their tasks have ended. */
async function sendAll(
  bodies: readonly Buffer[],
  send: (body: Buffer) => Promise<string>,
  follow: (id: string) => Promise<void>,
): Promise<void> {
  const waiting = [...bodies];
  const followed: Promise<void>[] = [];
  const sender = async () => {
    for (let body = waiting.shift(); body !== undefined; body = waiting.shift())
      followed.push(follow(await send(body)));
  };
  await Promise.all(Array.from({ length: senders }, sender));
  await Promise.all(followed);
}

/** Ready-made, as the rows of COPY are: what the client does to make them is nobody's cost. */
function makeBodies(voucher: (row: number) => object, bodyOf: (batch: object[]) => object): Buffer[] {
  return Array.from({ length: vouchers / batch }, (_, part) =>
    Buffer.from(JSON.stringify(bodyOf(Array.from({ length: batch }, (_, index) => voucher(part * batch + index))))),
  );
}

/** As real imports have it, some columns differ from row to row, some repeat and some are the same in all. */
const percentOf = (row: number) => 5 + (row % 10);
const categoryOf = (row: number) => `Promotion ${row % 7}`;
const regionOf = (row: number) => ['EMEA', 'APAC', 'AMER', 'LATAM'][row % 4];

function graphqlVoucher(row: number): object {
  const { discount, start_date, ...rest } = restVoucher(row);
  return { ...rest, discount: { type: discount.type, percentOff: discount.percent_off }, startDate: start_date };
}

function restVoucher(row: number) {
  return {
    code: codeOf(row),
    discount: { type: 'PERCENT', percent_off: percentOf(row) },
    category: categoryOf(row),
    start_date: '2026-01-01T00:00:00Z',
    redemption: { quantity: 5 },
    metadata: { Region: regionOf(row) },
  };
}

function makeCsv(): Blob {
  const lines = ['Code,Voucher Type,Discount Type,Value,Category,Start Date,Redemption Limit,Region\n'];
  for (let row = 0; row < vouchers; row += 1) {
    lines.push(
      `${codeOf(row)},DISCOUNT_VOUCHER,PERCENT,${percentOf(row)},${categoryOf(row)},2026-01-01,5,${regionOf(row)}\n`,
    );
  }
  return new Blob([lines.join('')], { type: 'text/csv' });
}

/** Spread like real codes, which do not come in order. */
function codeOf(row: number): string {
  return `V-${((row * 2_654_435_761) % 4_294_967_296).toString(36).toUpperCase().padStart(7, '0')}-${row}`;
}

function readyMadeRows(project: string): Buffer[][] {
  const ids = newRecordIds('v_', vouchers);
  return [0, 1].map((half) => {
    const lines = ids.slice((half * vouchers) / 2, ((half + 1) * vouchers) / 2).map((id, index) => {
      const row = (half * vouchers) / 2 + index;
      const discount = `{"type":"PERCENT","percent_off":${percentOf(row)}}`;
      return `${id}\t${project}\t${codeOf(row)}\tDISCOUNT_VOUCHER\t${discount}\t${categoryOf(row)}\t2026-01-01 00:00:00+00\t5\t{"Region":"${regionOf(row)}"}\n`;
    });
    return [Buffer.from(lines.join(''))];
  });
}

async function copyRows(url: string, halves: readonly Buffer[][]): Promise<void> {
  const clients = halves.map(() => new pg.Client({ connectionString: url }));
  await Promise.all(clients.map((client) => client.connect()));
  const statement = `copy copied_vouchers (id, project_id, code, type, discount, category, start_date, redemption_quantity, metadata)
    from stdin`;
  await Promise.all(
    clients.map((client, index) => pipeline(Readable.from(halves[index] ?? []), client.query(from(statement)))),
  );
  await Promise.all(clients.map((client) => client.end()));
}
