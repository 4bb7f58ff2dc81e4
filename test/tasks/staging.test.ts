import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { openDatabase, type Tx } from '../../src/db/client.ts';
import { toClientError } from '../../src/errors.ts';
import { createLog } from '../../src/log.ts';
import { readItems, stageChunks } from '../../src/tasks/chunks.ts';
import { atEndOfFile } from '../support/at-end.ts';
import { createDatabase } from '../support/database.ts';
import { waitFor } from '../support/wait.ts';

const { url } = await createDatabase();
const client = openDatabase({ url, maxConnections: 2, applicationName: 'staging', log: createLog('silent') });
atEndOfFile(() => client.stop());
const { db } = client;
// As a full disk: the second chunk cannot be written.
await sql`create function fill_disk() returns trigger language plpgsql as
  $$ begin raise exception 'the disk is full' using errcode = 'disk_full'; end $$`.execute(db);
await sql`create trigger fill_disk before insert on chunks for each row when (new.number = 1) execute function fill_disk()`.execute(
  db,
);

type Items = Iterable<string> | AsyncIterable<string>;

function stage(items: (tx: Tx) => Items, maxItems = 100): Promise<unknown> {
  return db.transaction().execute((tx) => stageChunks(tx, 'a task', items(tx), { chunkSize: 10, maxItems }));
}

const count = (items: number) => Array.from({ length: items }, (_, index) => `item ${index}`);

async function* readFrom(tx: Tx, error?: Error): AsyncGenerator<string> {
  for (const item of count(30)) {
    await sql`select 1`.execute(tx);
    yield item;
  }
  if (error !== undefined) throw error;
}

test.each<[string, (tx: Tx) => Items]>([
  ['that are there', () => count(20)],
  ['that come after it', () => count(40)],
  ['that are read in the same transaction', (tx) => readFrom(tx)],
  [
    'that end with an error of their own',
    async function* () {
      yield* count(20);
      throw new Error('the file ends too early');
    },
  ],
])('a chunk that cannot be written is why the start fails, whatever comes of items %s', async (_name, items) => {
  const error: unknown = await stage(items).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toMatchObject({ message: 'the disk is full' });
  expect(toClientError(error)).toMatchObject({ code: 'UNAVAILABLE' });
  expect(await db.selectFrom('chunks').selectAll().execute()).toEqual([]);
});

test('a chunk that cannot be written is told before the next one is full', async () => {
  let taken = 0;
  const items = async function* () {
    for (const item of count(40)) {
      taken += 1;
      if (taken > 20) await waitFor(isRefused, { message: 'the chunk was not refused' });
      yield item;
    }
  };
  await expect(stage(items)).rejects.toThrow('the disk is full');
  expect(taken).toBeGreaterThan(19);
  expect(taken).toBeLessThan(30);
});

/** Whether Postgres has refused the chunk, and whoever asks has been told by now. */
async function isRefused(): Promise<boolean> {
  const { rows } = await sql`
    select from pg_stat_activity
    where datname = current_database() and state = 'idle in transaction (aborted)'`.execute(db);
  return rows.length > 0;
}

test('what goes wrong with the items is told when their chunks were written', async () => {
  await expect(stage(() => count(15), 12)).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
  const broken = async function* () {
    yield* count(10);
    throw new Error('the file ends too early');
  };
  await expect(stage(broken)).rejects.toThrow('the file ends too early');
});

test('staged items are read as they were given, and so are those that an older release staged', async () => {
  const items = ['😀 "é" \\ \u2028', ...count(8)];
  const tx = await db.startTransaction().execute();
  await stageChunks(tx, 'a task', items, { chunkSize: 10, maxItems: 10 });
  const { items: staged } = await tx.selectFrom('chunks').select('items').executeTakeFirstOrThrow();
  // There is no such task.
  await tx.rollback().execute();
  expect(readItems(staged)).toEqual(items);
  expect(readItems(Buffer.from(JSON.stringify(items)))).toEqual(items);
  expect(readItems(null)).toEqual([]);
});
