import { sql } from 'kysely';
import pg from 'pg';
import { beforeAll, expect, inject, onTestFinished, test } from 'vitest';
import { listFailures } from '../../src/tasks/failures.ts';
import { createDatabase } from '../support/database.ts';
import { type Fleet, openFleet } from '../support/fleet.ts';
import { checkInvariants } from '../support/invariants.ts';
import type { LogLine } from '../support/processes.ts';
import { waitFor } from '../support/wait.ts';

let fleet: Fleet;
let databaseUrl: string;

beforeAll(async () => {
  databaseUrl = (await createDatabase()).url;
  fleet = await openFleet({ databaseUrl, redisUrl: inject('redisUrl') });
});

test('a worker that is frozen past its heartbeat loses its chunk to another, and does no harm when it wakes', {
  timeout: 60_000,
}, async () => {
  const frozen = await fleet.start('worker', { BULKCAST_WORKER_SLOTS: '1' });
  const session = await openSession();
  await session.query('begin; lock table gift_cards in share mode');
  const id = await fleet.issue(40_000);
  await aWorkerIs('active', `and wait_event_type = 'Lock'`);
  process.kill(frozen.pid, 'SIGSTOP');
  await session.query('rollback');
  await aWorkerIs('idle in transaction');
  await fleet.expireHeartbeats();

  const other = await fleet.start('worker');
  expect(await fleet.ended(id, 40_000)).toMatchObject({ state: 'SUCCEEDED', succeeded: 40_000 });
  process.kill(frozen.pid, 'SIGCONT');
  expect(await other.stop()).toBe(0);
  const next = await fleet.issue(20_000);
  expect(await fleet.ended(next)).toMatchObject({ state: 'SUCCEEDED', succeeded: 20_000 });
  await checkInvariants(fleet.db);
  expect(await frozen.stop()).toBe(0);
});

test('a chunk that falls victim to a deadlock is applied later', async () => {
  await sql.raw(`alter database ${databaseName()} set deadlock_timeout = '3s'`).execute(fleet.db);
  const worker = await fleet.start('worker');
  const session = await openSession();
  // The other one who waits leaves it to the worker to find out.
  await session.query(`set deadlock_timeout = '60s'`);
  await session.query('begin');
  await session.query(insertVoucher, ['M', fleet.projectId]);
  const id = await importVouchers(['A', 'M', 'Z']);
  await aWorkerIs('active', `and wait_event_type = 'Lock'`);
  const both = Promise.all(['A', 'Z'].map((code) => session.query(insertVoucher, [code, fleet.projectId])));
  expect(await worker.waitForLog('chunk.rolled_back', ofTask(id))).toMatchObject({
    fault: 'OUTAGE',
    error: { code: '40P01' },
  });
  await both;
  await session.query('rollback');
  expect(await fleet.ended(id)).toMatchObject({ state: 'SUCCEEDED', succeeded: 3, failed: 0 });
  await checkInvariants(fleet.db);
  expect(await worker.stop()).toBe(0);
});

test('a chunk that cannot be serialized is applied later', async () => {
  await sql
    .raw(`alter database ${databaseName()} set default_transaction_isolation = 'repeatable read'`)
    .execute(fleet.db);
  const worker = await fleet.start('worker');
  const session = await openSession();
  await session.query('begin');
  await session.query(insertVoucher, ['N', fleet.projectId]);
  const id = await importVouchers(['B', 'N', 'Y']);
  await aWorkerIs('active', `and wait_event_type = 'Lock'`);
  await session.query('commit');
  expect(await worker.waitForLog('chunk.rolled_back', ofTask(id))).toMatchObject({
    fault: 'OUTAGE',
    error: { code: '40001' },
  });
  expect(await fleet.ended(id)).toMatchObject({ state: 'SUCCEEDED', succeeded: 2, failed: 1 });
  await checkInvariants(fleet.db);
  await sql.raw(`alter database ${databaseName()} reset default_transaction_isolation`).execute(fleet.db);
  expect(await worker.stop()).toBe(0);
});

test.each(['data_exception', 'raise_exception'])(
  'an item for which the database throws a %s each time becomes a failure, and the others go through',
  async (code) => {
    await sql`
    create or replace function refuse_poison() returns trigger language plpgsql as $$
    begin raise exception 'poison' using errcode = ${sql.lit(code)}; end $$`.execute(fleet.db);
    await sql`create or replace trigger refuse_poison before insert on vouchers for each row when (new.code like 'POISON%')
    execute function refuse_poison()`.execute(fleet.db);
    const worker = await fleet.start('worker');
    const codes = Array.from({ length: 300 }, (_, index) => `${index === 6 ? 'POISON' : 'P'}-${code}-${index}`);
    const id = await importVouchers(codes);
    expect(await fleet.endedWithoutPauses(id)).toMatchObject({ state: 'SUCCEEDED', succeeded: 299, failed: 1 });
    const failures = await listFailures(fleet.db, id, { afterRow: 0, limit: 10 });
    const line = await worker.waitForLog('items.isolated', ofTask(id));
    expect(line).toMatchObject({ chunk: 0, rows: [7] });
    expect(failures).toMatchObject([{ row: 7, key: codes[6], code: 'INTERNAL_ERROR' }]);
    await checkInvariants(fleet.db);
    expect(await worker.stop()).toBe(0);
  },
);

test('clocks that jump by days change nothing: the times of a task are those of the database', async () => {
  const preload = `--import=${new URL('../support/jumping-clock.ts', import.meta.url).href}`;
  const workers = await Promise.all([0, 1].map(() => fleet.start('worker', { NODE_OPTIONS: preload })));
  for (const { logs } of workers) await waitFor(() => daysOf(logs).size > 1, { message: 'its clock has jumped' });
  const id = await fleet.issue(200_000);
  const task = await fleet.ended(id);
  expect(task).toMatchObject({ state: 'SUCCEEDED', succeeded: 200_000 });
  expect((task.completedAt?.getTime() ?? 0) - task.createdAt.getTime()).toBeLessThan(30_000);
  expect(task.rate?.perSecond).toBeGreaterThan(1_000);
  await checkInvariants(fleet.db);
  for (const worker of workers) expect(await worker.stop()).toBe(0);
});

const insertVoucher = `insert into vouchers (id, project_id, code, type, gift_amount) values ($1, $2, $1, 'GIFT_VOUCHER', 1)`;
const daysOf = (logs: readonly LogLine[]) => new Set(logs.map(({ time }) => String(time).slice(0, 10)));
const ofTask = (id: string) => (line: LogLine) => line.task === id;
const databaseName = () => new URL(databaseUrl).pathname.slice(1);

function importVouchers(codes: readonly string[]): Promise<string> {
  const vouchers = codes.map((code) => ({ code, type: 'GIFT_VOUCHER', gift: { amount: 100 } }));
  return fleet.begin('vouchers.import', { vouchers });
}

/** A session of somebody else on the database, for what it locks. */
async function openSession(): Promise<pg.Client> {
  const session = new pg.Client({ connectionString: databaseUrl });
  await session.connect();
  onTestFinished(() => session.end());
  return session;
}

/** Waits until a connection that applies chunks is in this state. */
async function aWorkerIs(state: string, besides = ''): Promise<void> {
  const isSo = async () => {
    const { rows } = await sql`
      select pid from pg_stat_activity where datname = current_database() and application_name = 'bulkcast worker'
        and state = ${state} ${sql.raw(besides)}`.execute(fleet.db);
    return rows.length > 0;
  };
  await waitFor(isSo, { message: `a worker is ${state} ${besides}` });
}
