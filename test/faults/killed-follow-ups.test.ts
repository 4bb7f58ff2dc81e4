import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { type RawBuilder, sql } from 'kysely';
import { beforeAll, expect, inject, test } from 'vitest';
import { listOutcomes } from '../../src/tasks/dry-report.ts';
import { listFailures } from '../../src/tasks/failures.ts';
import { atEndOfFile } from '../support/at-end.ts';
import { createDatabase } from '../support/database.ts';
import { type Fleet, openFleet } from '../support/fleet.ts';
import { type HeldTable, holdTable } from '../support/held-table.ts';
import { checkInvariants } from '../support/invariants.ts';
import type { ServeProcess } from '../support/processes.ts';
import { createRandom } from '../support/random.ts';
import { waitFor } from '../support/wait.ts';

let fleet: Fleet;
let databaseUrl: string;
let cache: string;
const random = createRandom(20_261_122);
const longestWaitMs = 90_000;

beforeAll(async () => {
  databaseUrl = (await createDatabase()).url;
  fleet = await openFleet({ databaseUrl, redisUrl: inject('redisUrl') });
  cache = await mkdtemp(join(tmpdir(), 'bulkcast-compiled-'));
  atEndOfFile(() => rm(cache, { recursive: true }));
});

test('an undo whose workers are killed time and again takes back each card that nobody has used, and no other', {
  timeout: 180_000,
}, async () => {
  const cards = 200_000;
  const slots = 2;
  const issuer = await startWorker(slots);
  const issuance = await fleet.issue(cards);
  await fleet.ended(issuance, longestWaitMs);
  expect(await issuer.stop()).toBe(0);
  await sql`update gift_cards set balance = 1 where right(id, 2) = 'aa'`.execute(fleet.db);
  const used = await readRows(sql`select id from gift_cards where balance < initial_value`);

  const undo = await fleet.followUp('undo', issuance);
  // Each time at most two chunks are applied, of twenty.
  await killAtWork({ kills: 8, slots });
  const { state, processed } = await fleet.read(undo);
  expect(state).toBe('RUNNING');
  expect(processed).toBeGreaterThan(0);

  const survivor = await startWorker(slots);
  const counts = { total: cards, succeeded: cards - used.length, failed: used.length };
  expect(await fleet.endedWithoutPauses(undo)).toMatchObject({ state: 'SUCCEEDED', ...counts });
  expect(await readRows(sql`select id from gift_cards`)).toEqual(used);
  const failures = await listFailures(fleet.db, undo, { afterRow: 0, limit: cards });
  expect(failures.map(({ row, code }) => [row, code])).toEqual(used.map((row) => [row, 'IN_USE']));
  await checkInvariants(fleet.db, longestWaitMs);
  expect(await survivor.stop()).toBe(0);
});

test('a dry run whose workers are killed time and again tells the same as one that nothing happens to, and writes nothing', {
  timeout: 180_000,
}, async () => {
  const worker = await startWorker(1);
  await fleet.ended(
    await importCsv(csvRows(600).map((line) => line.replace('GIFT_VOUCHER,', 'DISCOUNT_VOUCHER,AMOUNT'))),
  );
  await fleet.ended(await importCsv(csvRows(1_200)));
  const before = await readVouchers();
  const undisturbed = await importCsv(csvRows(60_000), { isDryRun: true });
  expect(await fleet.ended(undisturbed, longestWaitMs)).toMatchObject({ state: 'SUCCEEDED' });
  expect(await worker.stop()).toBe(0);

  const disturbed = await importCsv(csvRows(60_000), { isDryRun: true });
  // Each time at most one chunk is tried, of six.
  await killAtWork({ kills: 4, slots: 1 });
  expect(await fleet.read(disturbed)).toMatchObject({ state: 'RUNNING' });

  const survivor = await startWorker(1);
  expect(await fleet.endedWithoutPauses(disturbed)).toMatchObject({ state: 'SUCCEEDED' });
  const outcomes = await readOutcomes(disturbed);
  expect(outcomes).toHaveLength(60_000);
  expect(new Set(outcomes.map(({ outcome }) => outcome))).toEqual(new Set(['CREATED', 'UPDATED', 'FAILED']));
  expect(outcomes).toEqual(await readOutcomes(undisturbed));
  expect(await readVouchers()).toEqual(before);

  const run = await fleet.followUp('run', disturbed);
  await fleet.ended(run, longestWaitMs);
  expect(await readFailures(run)).toEqual(await readFailures(disturbed));
  const created = outcomes.filter(({ outcome }) => outcome === 'CREATED').map(({ key }) => key);
  expect((await readVouchers()).map(({ code }) => code)).toEqual(
    [...before.map(({ code }) => code), ...created].sort(),
  );
  await checkInvariants(fleet.db, longestWaitMs);
  expect(await survivor.stop()).toBe(0);
});

/** Kills workers at random moments of chunks. A worker takes its next chunks when it may, at most so many for each kill and once more. */
async function killAtWork({ kills, slots }: { readonly kills: number; readonly slots: number }): Promise<void> {
  const held = await holdTable(databaseUrl, 'chunks');
  let longestMs: number | undefined;
  for (let left = kills; left > 0; left -= 1) {
    const worker = await startWorker(slots);
    await isAtWork(held);
    longestMs ??= 1.5 * (await measureChunk(held));
    const through = held.letThrough();
    await delay(random() * longestMs);
    await worker.kill();
    await through;
    // What it had sent before it died.
    while ((await held.countWaiting()) > 0) await held.letThrough();
    await fleet.expireHeartbeats();
  }
  await held.release();
}

async function measureChunk(held: HeldTable): Promise<number> {
  const startedMs = performance.now();
  await held.letThrough();
  const tookMs = performance.now() - startedMs;
  await isAtWork(held);
  return tookMs;
}

async function isAtWork(held: HeldTable): Promise<void> {
  const isWaiting = async () => {
    await fleet.endBackoff();
    return (await held.countWaiting()) > 0;
  };
  await waitFor(isWaiting, { timeoutMs: longestWaitMs, message: 'a worker is in the middle of a chunk' });
}

function startWorker(slots: number): Promise<ServeProcess> {
  return fleet.start('worker', { BULKCAST_WORKER_SLOTS: String(slots), NODE_COMPILE_CACHE: cache });
}

/** The rows of the issuance whose cards have these ids. */
async function readRows(ids: RawBuilder<unknown>): Promise<number[]> {
  const { rows } = await sql<{ row: number }>`
    select ('x' || right(id, 6))::bit(24)::integer as row from (${ids}) as cards order by id`.execute(fleet.db);
  return rows.map(({ row }) => row);
}

/** Lines of a voucher file: many codes stand again in a later chunk, and some values are bad. */
function csvRows(count: number): string[] {
  return Array.from({ length: count }, (_, row) => {
    const code = row % 5 === 0 ? row % 27_000 : row;
    return `D${code},GIFT_VOUCHER,,${row % 97 === 0 ? 'x' : row % 50}\n`;
  });
}

function importCsv(rows: readonly string[], options?: { readonly isDryRun: boolean }): Promise<string> {
  const stream = Readable.from([`Code,Voucher Type,Discount Type,Value\n${rows.join('')}`]);
  return fleet.begin('vouchers.import_csv', { file: { filename: null, stream } }, options);
}

const readFailures = (id: string) => listFailures(fleet.db, id, { afterRow: 0, limit: 100_000 });
const readOutcomes = (id: string) => listOutcomes(fleet.db, id, { afterRow: 0, limit: 100_000 });

async function readVouchers(): Promise<{ code: string }[]> {
  const { rows } = await sql<{ code: string }>`select * from vouchers order by code`.execute(fleet.db);
  return rows;
}
