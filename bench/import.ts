import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from } from 'pg-copy-streams';
import { newRecordIds } from '../src/domain/ids.ts';
import { mutate, mutateWithFile, watchTask } from './support/client.ts';
import { openBenchDatabase, startService } from './support/service.ts';
import { median, summarize } from './support/stats.ts';

/**
 * Imports 200,000 vouchers, by JSON batches and by one CSV upload, each from the first request to the last final snapshot, and
 * COPYs the same rows into a table with the same indexes and constraints over two connections; by turns, in the same Postgres,
 * from empty tables each time. The ratio is the lower of the two over COPY, of the medians.
 */

const vouchers = 200_000;
const batch = 20_000;
const rounds = 5;

const importJson = `mutation ($vouchers: [VoucherInput!]!) {
  importVouchers(input: { vouchers: $vouchers }) { task { id } userErrors { message } }
}`;
const importCsv = `mutation ($file: File!) { importVouchersCsv(input: { file: $file }) { task { id } userErrors { message } } }`;

export async function run() {
  await using database = await openBenchDatabase();
  const admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
  await admin.query('create table copied_vouchers (like vouchers including all)');
  await admin.query('alter table copied_vouchers add foreign key (campaign_id) references campaigns');
  const { rows } = await admin.query<{ id: string }>('select id from projects');
  const copied = readyMadeRows(rows[0]?.id ?? '');
  await using service = await startService(database.url, { BULKCAST_WORKER_SLOTS: '2' });
  const { credentials } = database;
  const clear = async () => {
    await admin.query('truncate vouchers, copied_vouchers, tasks, chunks, failures, idempotency_keys');
    await admin.query('checkpoint');
  };
  const ended = async (id: string | undefined) => {
    const { final } = await watchTask(service.url, credentials, id ?? '');
    if (final.state !== 'SUCCEEDED') throw new Error(`the task ended as ${JSON.stringify(final)}`);
  };
  const contenders = {
    json: async () => {
      await Promise.all(
        makeBatches().map(async (body) => {
          const answer = await mutate(service.url, credentials, importJson, body);
          await ended(answer.importVouchers?.task.id);
        }),
      );
    },
    csv: async () => {
      const answer = await mutateWithFile(service.url, credentials, importCsv, makeCsv());
      await ended(answer.importVouchersCsv?.task.id);
    },
    copy: () => copyRows(database.url, copied),
  };
  const perSecond = { json: [] as number[], csv: [] as number[], copy: [] as number[] };
  for (let round = 0; round <= rounds; round += 1) {
    for (const [name, contender] of Object.entries(contenders)) {
      await clear();
      const startedMs = performance.now();
      await contender();
      const rate = (vouchers / (performance.now() - startedMs)) * 1000;
      process.stderr.write(`${round === 0 ? 'warm-up' : `round ${round}`}: ${name} ${Math.round(rate)}/s\n`);
      if (round > 0) perSecond[name as keyof typeof perSecond].push(rate);
    }
  }
  await admin.end();
  const ratioTo = (rates: readonly number[]) => Number((median(rates) / median(perSecond.copy)).toFixed(3));
  const json = ratioTo(perSecond.json);
  const csv = ratioTo(perSecond.csv);
  return {
    ratio: Math.min(json, csv),
    ratios: { json, csv },
    vouchers,
    rounds,
    jsonPerSecond: summarize(perSecond.json),
    csvPerSecond: summarize(perSecond.csv),
    copiedPerSecond: summarize(perSecond.copy),
  };
}

function makeBatches(): { vouchers: object[] }[] {
  return Array.from({ length: vouchers / batch }, (_, part) => ({
    vouchers: Array.from({ length: batch }, (_, index) => ({
      code: codeOf(part * batch + index),
      discount: { type: 'PERCENT', percentOff: 15 },
      category: 'Promotions',
      startDate: '2026-01-01T00:00:00Z',
      redemption: { quantity: 5 },
      metadata: { Region: 'EMEA' },
    })),
  }));
}

function makeCsv(): Blob {
  const lines = ['Code,Voucher Type,Discount Type,Value,Category,Start Date,Redemption Limit,Region\n'];
  for (let row = 0; row < vouchers; row += 1) {
    lines.push(`${codeOf(row)},DISCOUNT_VOUCHER,PERCENT,15,Promotions,2026-01-01,5,EMEA\n`);
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
      const code = codeOf((half * vouchers) / 2 + index);
      return `${id}\t${project}\t${code}\tDISCOUNT_VOUCHER\t{"type":"PERCENT","percent_off":15}\tPromotions\t2026-01-01 00:00:00+00\t5\t{"Region":"EMEA"}\n`;
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
