import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from } from 'pg-copy-streams';
import { makeCardNumbers } from '../src/domain/card-numbers.ts';
import { mutate, watchTask } from './support/client.ts';
import { type BenchService, openBenchDatabase, startService } from './support/service.ts';
import { median, summarize } from './support/stats.ts';

/**
 * Issues 500,000 cards on two worker slots, from the mutation to the final snapshot with a subscriber attached, and COPYs as
 * many ready-made rows into a table with the same indexes and constraints over two connections; by turns, in the same
 * Postgres, from empty tables each time. The ratio is cards a second over rows a second, of the medians.
 */

const cards = 500_000;
const rounds = 5;
const memorySizes = [100_000, 500_000, 2_000_000];

const issue = `mutation ($input: IssueGiftCardsInput!) {
  issueGiftCards(input: $input) { task { id } userErrors { message } }
}`;

export async function run() {
  await using database = await openBenchDatabase();
  const admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
  await admin.query('create table copied_cards (like gift_cards including all)');
  const rows = readyMadeRows();
  await using service = await startService(database.url, { BULKCAST_WORKER_SLOTS: '2' });

  const issueCards = async (count: number) => {
    const startedMs = performance.now();
    const { credentials } = database;
    const input = { programId: credentials.programId, initialValue: '25.00', count };
    const id = await mutate(service.url, credentials, JSON.stringify({ query: issue, variables: { input } }));
    const watch = await watchTask(service.url, credentials, id);
    if (watch.final.state !== 'SUCCEEDED') throw new Error(`the task ended as ${JSON.stringify(watch.final)}`);
    return { perSecond: (count / (performance.now() - startedMs)) * 1000, updates: watch.updates };
  };
  const clear = async () => {
    await admin.query('truncate gift_cards, copied_cards');
    await admin.query('checkpoint');
  };

  const issued: number[] = [];
  const copied: number[] = [];
  for (let round = 0; round <= rounds; round += 1) {
    await clear();
    const { perSecond, updates } = await issueCards(cards);
    await clear();
    const copiedPerSecond = await copyRows(database.url, rows);
    process.stderr.write(
      `${round === 0 ? 'warm-up' : `round ${round}`}: issued ${Math.round(perSecond)}/s (${updates} updates pushed), ` +
        `COPY ${Math.round(copiedPerSecond)}/s, ratio ${(perSecond / copiedPerSecond).toFixed(2)}\n`,
    );
    if (round === 0) continue;
    issued.push(perSecond);
    copied.push(copiedPerSecond);
  }
  const memoryMiB = await measureMemory(service, clear, issueCards);
  await admin.end();
  const ratio = Number((median(issued) / median(copied)).toFixed(3));
  return { ratio, cards, rounds, issuedPerSecond: summarize(issued), copiedPerSecond: summarize(copied), memoryMiB };
}

/** Largest resident memory of gateway and worker (one process) after a task of each size. */
async function measureMemory(
  service: BenchService,
  clear: () => Promise<void>,
  issueCards: (count: number) => Promise<unknown>,
) {
  const peaks: Record<string, number> = {};
  for (const size of memorySizes) {
    await clear();
    let peak = 0;
    const timer = setInterval(async () => {
      peak = Math.max(peak, (await service.memory()).now);
    }, 50);
    await issueCards(size);
    clearInterval(timer);
    peaks[size] = peak;
  }
  return peaks;
}

/** Text rows of COPY, made beforehand: two halves, one for each connection. */
function readyMadeRows(): Buffer[][] {
  const project = '00000000-0000-4000-8000-000000000000';
  const settled = `${project}\t5eb7cf5a86d9755df3a6c593`;
  const rest = '25.00\t25.00\tUSD\tf\t\\N\t2027-11-21 00:00:00+00';
  return [0, 1].map((half) => {
    const buffers: Buffer[] = [];
    for (let first = (half * cards) / 2; first < ((half + 1) * cards) / 2; first += 10_000) {
      const lines = makeCardNumbers(10_000).map((number, index) => {
        const id = `69213f00aabbccddee${(first + index + 1).toString(16).padStart(6, '0')}`;
        return `${id}\t${settled}\t${number}\t${rest}\n`;
      });
      buffers.push(Buffer.from(lines.join('')));
    }
    return buffers;
  });
}

async function copyRows(url: string, halves: readonly Buffer[][]): Promise<number> {
  const clients = halves.map(() => new pg.Client({ connectionString: url }));
  await Promise.all(clients.map((client) => client.connect()));
  const statement = `copy copied_cards (id, project_id, program_id, card_number, initial_value, balance, currency, is_physical,
    design_template, expires_at) from stdin`;
  const startedMs = performance.now();
  await Promise.all(
    clients.map((client, index) => pipeline(Readable.from(halves[index] ?? []), client.query(from(statement)))),
  );
  const perSecond = (cards / (performance.now() - startedMs)) * 1000;
  await Promise.all(clients.map((client) => client.end()));
  return perSecond;
}
