import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { openDatabase, type Tx } from '../../src/db/client.ts';
import { rowsAs } from '../../src/db/rows.ts';
import { unlessTaken } from '../../src/db/savepoint.ts';
import { createLog } from '../../src/log.ts';
import { atEndOfFile } from '../support/at-end.ts';
import { createDatabase } from '../support/database.ts';

const { url } = await createDatabase();
const client = openDatabase({ url, maxConnections: 2, applicationName: 'rows', log: createLog('silent') });
atEndOfFile(() => client.stop());
const { db } = client;
const types = { key: 'text', n: 'bigint', on: 'boolean', at: 'timestamptz', days: 'smallint[]', doc: 'jsonb' } as const;
const row = {
  key: 'a',
  n: 1,
  on: true,
  at: new Date('2026-01-31T12:30:15.250Z'),
  days: '{1,5}',
  doc: '{"a":"\\"\\\\,{}"}',
};

interface Row {
  readonly key: string;
  readonly n: number | null;
  readonly on: boolean | null;
  readonly at: Date | null;
  readonly days: string | null;
  readonly doc: string | null;
}

test.each<[string, Row[]]>([
  ['rows that differ in every column', [row, { key: 'b', n: 2, on: false, at: new Date(0), days: '{}', doc: '[]' }]],
  ['rows that differ in the key alone', [row, { ...row, key: 'b' }, { ...row, key: 'c' }]],
  ['rows that are the same', [row, row]],
  ['one row', [row]],
  ['no row', []],
  ['null beside a value', [row, { key: 'b', n: null, on: null, at: null, days: null, doc: null }]],
  [
    'few values that come again and again, null among them',
    Array.from({ length: 100 }, (_, index) => ({
      ...row,
      key: `${index}`,
      at: [row.at, null, new Date(row.at), new Date(0)][index % 4] ?? null,
      doc: [row.doc, 'null', null, '"\u2028é"', '{"a":1}'][index % 5] ?? null,
    })),
  ],
  [
    'more values than are told once each',
    Array.from({ length: 100 }, (_, index) => ({
      ...row,
      key: `${index}`,
      at: new Date(index % 40),
      days: `{${index % 7}}`,
      doc: `{"a":${index % 40}}`,
    })),
  ],
  ['nothing but null', [{ key: 'a', n: null, on: null, at: null, days: null, doc: null }]],
  [
    'marks that an array has a meaning for',
    ['"', '\\', ',', '{}', 'NULL', '', ' ', "'", '\n', '"\n\t\u007f', '\\"', '"é\u2028', '"\u{1f381}\\'].map((key) => ({
      ...row,
      key,
    })),
  ],
])('gives Postgres %s', async (_name, rows) => {
  const got = await sql<Record<string, unknown>>`
    select key, n, "on", at, days::text, doc::text from ${rowsAs('r', types, rows)}`.execute(db);
  const tidy = (doc: string | null) => (doc === null ? null : JSON.stringify(JSON.parse(doc)));
  const told = got.rows.map((one) => ({ ...one, doc: tidy(one.doc as string | null) }));
  expect(told).toEqual(rows.map((one) => ({ ...one, doc: tidy(one.doc) })));
});

test.each(['0000-03-01T00:00:00.000Z', '-000043-03-15T00:00:00.000Z', '+010000-01-01T11:59:00.000Z'])(
  'gives Postgres the moment %s, alone and in a list',
  async (text) => {
    const moment = new Date(text);
    const others = Array.from({ length: 40 }, (_, index) => ({ at: new Date(index) }));
    for (const rows of [[{ at: moment }], [{ at: moment }, { at: new Date(0) }], [{ at: moment }, ...others]]) {
      const got = await sql<{ ms: number }>`
        select (extract(epoch from at) * 1000)::bigint as ms from ${rowsAs('r', { at: 'timestamptz' }, rows)}`.execute(
        db,
      );
      expect(got.rows[0]?.ms).toBe(moment.getTime());
    }
  },
);

test('undoes what breaks the constraint, leaves the transaction usable, and throws every other error', async () => {
  await sql`create table taken (n integer constraint taken_n unique)`.execute(db);
  const insert = (tx: Tx, ...numbers: number[]) =>
    unlessTaken(tx, 'taken_n', () => sql`insert into taken select unnest(${numbers}::integer[])`.execute(tx));
  await db.transaction().execute(async (tx) => {
    expect(await insert(tx, 1, 2)).toBe(true);
    expect(await insert(tx, 3, 2)).toBe(false);
  });
  const { rows } = await sql`select n from taken order by n`.execute(db);
  expect(rows).toEqual([{ n: 1 }, { n: 2 }]);
  const other = db.transaction().execute((tx) => unlessTaken(tx, 'taken_n', () => sql`select 1 / 0`.execute(tx)));
  await expect(other).rejects.toThrow('division by zero');
});
