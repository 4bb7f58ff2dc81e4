import { sql } from 'kysely';
import type { Database } from '../../src/db/client.ts';

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
  const { rows } = await sql`
    with done as (
      select kind, case kind when 'UNDO' then parent_id else id end as task, place, item->>0 as code
      from tasks join chunks on task_id = id, json_array_elements(items::json) with ordinality as items(item, position),
        lateral (select first_row + position - 1 as place) as item_row
      where operation = 'vouchers.import_csv' and kind <> 'DRY_RUN' and applied_at is not null
        and not exists (select from failures where task_id = id and row_number = place)
    ), standing as (
      select distinct code from (
        select task, place, code from done where kind = 'RUN' except select task, place, code from done where kind = 'UNDO'
      ) as left_over
    )
    select standing.code as "missingVoucher", vouchers.code as "strangeVoucher"
    from standing full join vouchers on vouchers.code = standing.code
    where standing.code is null or vouchers.code is null limit 5`.execute(db);
  return rows;
}
