import { sql } from 'kysely';
import { type Database, openDatabase } from '../../src/db/client.ts';
import { createLog } from '../../src/log.ts';
import { waitFor } from './wait.ts';

/** How many items of a chunk failed. */
const failedOf = (chunk: string) => `(
      select count(*) from failures where failures.task_id = ${chunk}.task_id
        and row_number between ${chunk}.first_row and ${chunk}.first_row + ${chunk}.size - 1
    )`;

/** What must hold of a database with tasks whatever happened to the processes; each query finds what breaks it. */
const always = {
  'the counters are what the ledger has': `
    select id from tasks where processed <> (select coalesce(sum(size), 0) from chunks where task_id = id and applied_at is not null)`,
  'every item is in one chunk': `
    select id from tasks, lateral (
      select coalesce(sum(size), 0) as total, coalesce(bool_and(first_row = before + 1), true) as is_gapless from (
        select size, first_row, sum(size) over (order by number) - size as before from chunks where task_id = id
      ) as slices
    ) as staged
    where staged.total <> tasks.total or not (staged.is_gapless or kind = 'UNDO')`,
  'an undo, and the run of a dry run, has the chunks that were applied before': `
    select task.id from tasks as task join tasks as parent on parent.id = task.parent_id
    where (task.kind = 'UNDO' or task.kind = 'RUN' and parent.kind = 'DRY_RUN') and exists (
      select from (select * from chunks where task_id = task.id) as own
        full join (select * from chunks where task_id = parent.id and applied_at is not null) as earlier using (number, first_row, size)
      where own.task_id is null or earlier.task_id is null
    )`,
  'a task is undone once, and a dry run is run once': `
    select parent.id, task.kind from tasks as task join tasks as parent on parent.id = task.parent_id
    where (task.kind = 'UNDO' or task.kind = 'RUN' and parent.kind = 'DRY_RUN') and task.state not in ('FAILED', 'CANCELED')
    group by parent.id, task.kind having count(*) > 1`,
  'failures are tried again once': `
    select parent.id from tasks as task join tasks as parent on parent.id = task.parent_id and parent.kind = task.kind
    where task.completed_at is null or task.succeeded > 0
    group by parent.id having count(*) > 1`,
  'every failure is counted, of a row that was applied': `
    select id from tasks where failed <> (
      select count(*) from failures join chunks using (task_id)
      where failures.task_id = id and applied_at is not null and row_number between first_row and first_row + size - 1
    )`,
  'a chunk has a card for each item that succeeded; since it was undone, for each that was refused then': `
    select id, number, there.cards, expected.cards
    from (select *, parameters->>'cardPrefix' as prefix from tasks where operation = 'gift_cards.issue' and kind = 'RUN') as task
      join chunks as chunk on chunk.task_id = task.id, lateral (
        select count(*) as cards from gift_cards where gift_cards.id between prefix || lpad(to_hex(first_row), 6, '0')
          and prefix || lpad(to_hex(first_row + size - 1), 6, '0')
      ) as there, lateral (
        select min(${failedOf('undone')}) as cards from tasks as undo join chunks as undone on undone.task_id = undo.id
        where undo.parent_id = task.id and undo.kind = 'UNDO' and undone.number = chunk.number and undone.applied_at is not null
      ) as refused, lateral (
        select case when applied_at is null then 0 else coalesce(refused.cards, size - ${failedOf('chunk')}) end as cards
      ) as expected
    where there.cards <> expected.cards`,
  'every card is of an item': `
    select id from gift_cards as card where not exists (
      select from tasks as task where operation = 'gift_cards.issue' and kind = 'RUN'
        and parameters->>'cardPrefix' = left(card.id, 18) and ('x' || right(card.id, 6))::bit(24)::integer between 1 and total
    )`,
  'an import has not made more vouchers than items succeeded': `
    select task.id from vouchers join tasks as task on task.id = created_by_task
    group by task.id having count(*) > task.succeeded`,
  'an import that was undone has left no voucher as it made it': `
    select undo.id, code from tasks as undo join vouchers on created_by_task = undo.parent_id
    where undo.kind = 'UNDO' and undo.state = 'SUCCEEDED'`,
  'no record is of a dry run or an undo': `
    select id, record from tasks join (
      select 'a voucher' as record, created_by_task from vouchers union all select 'a customer', created_by_task from customers
      union all select 'a product', created_by_task from products union all select 'a SKU', created_by_task from skus
      union all select 'an order', created_by_task from orders
    ) as made on created_by_task = id
    where kind <> 'RUN'`,
  'a dry run tells what would become of each item that it tried': `
    select id, number from tasks join chunks as chunk on task_id = id
    where kind = 'DRY_RUN' and applied_at is not null and not exists (
      select from json_array_elements(report->'rows') as told
      having count(*) = size and count(*) filter (where told->>1 = 'FAILED') = ${failedOf('chunk')}
    )`,
  'a dry run that has ended remembers no record': `
    select id, name from dry_run_records join tasks on id = task_id where completed_at is not null`,
  'no task has been left out of the final state that its counters say': `
    select id from tasks where processed = total and completed_at is null`,
  'the timeline goes from the start to the state, one version after another': `
    select id, timeline.* from tasks, lateral (
      select min(version) as first, max(version) as last, bool_and(at >= before) as is_in_order,
        (array_agg(state order by version desc))[1] as latest
      from (select *, lag(at, 1, at) over (order by version) as before from task_events where task_id = id) as events
    ) as timeline
    where timeline.first is distinct from 1 or timeline.last > version or not is_in_order or latest <> state`,
  'every version is a chunk or a state': `
    select id from tasks where version <> (select count(*) from task_events where task_id = id)
      + (select count(*) from chunks where task_id = id and applied_at is not null)
      - (state = 'SUCCEEDED' and total > 0)::integer`,
  'times follow each other': `
    select id from tasks where not (created_at <= coalesce(started_at, created_at) and coalesce(started_at, created_at) <= updated_at
      and updated_at <= coalesce(completed_at, updated_at))`,
};

/** What holds besides once nobody has anything to do. */
const atRest = {
  'every task that was not paused has ended': `select id, state from tasks where completed_at is null and state <> 'PAUSED'`,
  'no chunk is in line or in hand': `select task_id, chunk from turns`,
  'no job is left': `select name, state, data from pgboss.job where state < 'completed'`,
  'no job was given up': `select data from pgboss.job where name = 'chunks.dead' or state = 'failed'`,
  'nobody holds a lock': `
    select pid, mode from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())
      and pid in (select pid from pg_stat_activity where application_name in ('bulkcast worker', 'bulkcast all'))`,
};

/** The invariants that are broken, each with the first rows that break it; to be called any time. */
export async function findBroken(
  db: Database,
  invariants: Readonly<Record<string, string>> = always,
): Promise<string[]> {
  const broken: string[] = [];
  for (const [name, query] of Object.entries(invariants)) {
    const { rows } = await sql.raw(query).execute(db);
    if (rows.length > 0) broken.push(`${name}: ${JSON.stringify(rows.slice(0, 5))}`);
  }
  return broken;
}

/** Waits until all tasks have ended and nothing is left to do; throws when that takes longer, or with the invariants that do not hold. */
export async function checkInvariants(db: Database, timeoutMs = 30_000): Promise<void> {
  let busy: string[] = [];
  const isAtRest = async () => {
    busy = await findBroken(db, atRest);
    return busy.length === 0;
  };
  await waitFor(isAtRest, { timeoutMs, message: () => `all is done\n${busy.join('\n')}` });
  const broken = await findBroken(db);
  if (broken.length > 0) throw new Error(`invariants are broken\n${broken.join('\n')}`);
}

/** The same, of a database that others have opened. */
export async function checkInvariantsOf(databaseUrl: string): Promise<void> {
  const log = createLog('silent');
  const client = openDatabase({ url: databaseUrl, maxConnections: 1, applicationName: 'invariants', log });
  try {
    await checkInvariants(client.db);
  } finally {
    await client.stop();
  }
}
