import { sql } from 'kysely';
import type { Database } from '../../src/db/client.ts';
import { waitFor } from './wait.ts';

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
    where staged.total <> tasks.total or not staged.is_gapless`,
  'every failure is counted, of a row that was applied': `
    select id from tasks where failed <> (
      select count(*) from failures join chunks using (task_id)
      where failures.task_id = id and applied_at is not null and row_number between first_row and first_row + size - 1
    )`,
  'there is one card for each item that succeeded': `
    select id from tasks where operation = 'gift_cards.issue' and succeeded <> (
      select count(*) from gift_cards
      where gift_cards.id >= parameters->>'cardPrefix' and gift_cards.id < (parameters->>'cardPrefix') || 'g'
    )`,
  'every card is of a task': `
    select count(*) as cards from gift_cards
    having count(*) <> (select coalesce(sum(succeeded), 0) from tasks where operation = 'gift_cards.issue')`,
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
