import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { type Fleet, openFleet } from '../support/fleet.ts';
import { checkInvariants } from '../support/invariants.ts';
import { type OwnPostgres, startPostgres } from '../support/postgres.ts';
import type { ServeProcess } from '../support/processes.ts';
import { createRandom } from '../support/random.ts';
import { waitFor } from '../support/wait.ts';

let postgres: OwnPostgres;
let fleet: Fleet;
let workers: ServeProcess[];

beforeAll(async () => {
  postgres = await startPostgres();
  fleet = await openFleet({ databaseUrl: postgres.url, redisUrl: inject('redisUrl') });
  workers = await Promise.all([fleet.start('worker'), fleet.start('worker')]);
});

afterAll(async () => {
  for (const worker of workers) expect(await worker.stop()).toBe(0);
});

const cards = 400_000;

test('Postgres that crashes in the middle of chunks and comes back costs time, and no card', async () => {
  const id = await fleet.issue(cards);
  for (const processed of [1, 100_000]) {
    await fleet.reaches(id, processed);
    await postgres.crash();
    await postgres.recover();
  }
  expect(await fleet.ended(id)).toMatchObject({ state: 'SUCCEEDED', succeeded: cards, failed: 0 });
  await checkInvariants(fleet.db);
});

test('connections that are cut in the middle of chunks, time and again, cost time, and no card', {
  timeout: 120_000,
}, async () => {
  const id = await fleet.issue(cards);
  const random = createRandom(7);
  const cutAnyAtWork = async () => {
    await fleet.endBackoff();
    await delay(random() * 100);
    return (await cutConnections()) > 0;
  };
  for (let round = 0; round < 15; round += 1) {
    await waitFor(cutAnyAtWork, { timeoutMs: 30_000, message: 'a worker is in the middle of a chunk' });
  }
  expect(await fleet.endedWithoutPauses(id)).toMatchObject({ state: 'SUCCEEDED', succeeded: cards, failed: 0 });
  await checkInvariants(fleet.db);
});

/** Cuts those that apply chunks and those of the job queue; returns how many of the former were in a transaction. */
async function cutConnections(): Promise<number> {
  const { rows } = await sql<{ atWork: boolean }>`
    select pg_terminate_backend(pid), application_name = 'bulkcast worker' and xact_start is not null as "atWork"
    from pg_stat_activity
    where datname = current_database() and application_name in ('bulkcast worker', 'bulkcast jobs worker')`.execute(
    fleet.db,
  );
  return rows.filter(({ atWork }) => atWork).length;
}
