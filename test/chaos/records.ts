import { sql } from 'kysely';
import type { Database } from '../../src/db/client.ts';
import { readItems } from '../../src/tasks/chunks.ts';

/** Uses cards, here and there, and returns their ids: no undo may take them back. */
export async function useCards(db: Database): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    update gift_cards set balance = 0 where id in (select id from gift_cards tablesample system (0.05)) returning id`.execute(
    db,
  );
  return rows.map(({ id }) => id);
}

/** The first of these cards that are not there any more. */
export async function findLostCards(db: Database, used: readonly string[]): Promise<unknown[]> {
  const { rows } = await sql`
    select used.id as "lostCard" from unnest(${[...used]}::text[]) as used(id)
    where not exists (select from gift_cards where gift_cards.id = used.id and balance = 0) limit 5`.execute(db);
  return rows;
}

/** The first vouchers that no import has made or that were undone, and the first that are missing: those of rows that succeeded and were
 *  not undone. */
export async function findWrongVouchers(db: Database): Promise<unknown[]> {
  return db.connection().execute(async (session) => {
    await sql`create temporary table staged (task_id text, first_row integer, codes text[])`.execute(session);
    await readStaged(session);
    const { rows } = await sql`
      with done as (
        select kind, case kind when 'UNDO' then parent_id else id end as task, place, code
        from tasks join staged on task_id = id, unnest(codes) with ordinality as items(code, position),
          lateral (select first_row + position - 1 as place) as item_row
        where not exists (select from failures where task_id = id and row_number = place)
      ), standing as (
        select distinct code from (
          select task, place, code from done where kind = 'RUN' except select task, place, code from done where kind = 'UNDO'
        ) as left_over
      )
      select standing.code as "missingVoucher", vouchers.code as "strangeVoucher"
      from standing full join vouchers on vouchers.code = standing.code
      where standing.code is null or vouchers.code is null limit 5`.execute(session);
    await sql`drop table staged`.execute(session);
    return rows;
  });
}

/** Writes the codes of each chunk of imports and undos that has been applied where SQL can read them. */
async function readStaged(session: Database): Promise<void> {
  const { rows: chunks } = await sql<{ task: string; number: number }>`
    select id as task, number from tasks join chunks on task_id = id
    where operation = 'vouchers.import_csv' and kind <> 'DRY_RUN' and applied_at is not null`.execute(session);
  for (const { task, number } of chunks) {
    const { items } = await session
      .selectFrom('chunks')
      .select('items')
      .where('task_id', '=', task)
      .where('number', '=', number)
      .executeTakeFirstOrThrow();
    const codes = readItems(items).map((cells) => (Array.isArray(cells) ? String(cells[0]) : null));
    await sql`
      insert into staged select task_id, first_row, ${codes}::text[] from chunks
      where task_id = ${task} and number = ${number}`.execute(session);
  }
}
