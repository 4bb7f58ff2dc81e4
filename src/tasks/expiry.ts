import { type RawBuilder, sql } from 'kysely';
import type { Database, Tx } from '../db/client.ts';
import { badInput } from '../errors.ts';

/**
 * What of tasks expires. Each function deletes one small batch in one statement, and returns how many rows of what it was; nothing when
 * nothing was due. Rows that somebody else holds are left for later. Any number may run at the same time, and be killed.
 */

/** Rows deleted, by what they are. */
export type Expired = Readonly<Record<string, number>>;

const keysBatch = 1_000;
const tasksBatch = 200;
const leftoversBatch = 250;
const chunksBatch = 500;
/** The items of a chunk can be megabytes: one batch takes so much, and one chunk at least. */
const itemsBatchBytes = 16_777_216;
const failuresBatch = 5_000;

/** Idempotency keys whose time is over. */
export async function expireKeys(db: Database): Promise<Expired> {
  const { rows } = await sql<{ keys: number }>`
    with expired as (
      delete from idempotency_keys where ctid = any(array(
        select ctid from idempotency_keys where expires_at <= now()
        order by expires_at limit ${keysBatch} for update skip locked
      )) returning 1
    )
    select count(*) as keys from expired`.execute(db);
  return { ...rows[0] };
}

/** Gives up the staged items of tasks that ended so long ago: they cannot be tried again from then on. */
export async function expireItems(db: Database, days: number): Promise<Expired> {
  const { rows } = await sql<{ retryable_tasks: number }>`
    with expired as (
      delete from kept_items where ctid = any(array(
        select ctid from kept_items where ended_at < now() - make_interval(days => ${days})
        order by ended_at limit ${tasksBatch} for update skip locked
      )) returning task_id
    ), left_over as (
      insert into leftovers (task_id, is_whole) select task_id, false from expired on conflict do nothing
    )
    select count(*) as retryable_tasks from expired`.execute(db);
  return { ...rows[0] };
}

/** Deletes tasks that ended so long ago, with their history and keys: from then on there is no such task. What they have done stays. */
export async function expireTasks(db: Database, days: number): Promise<Expired> {
  const { rows } = await sql<{ tasks: number }>`
    with expired as (
      delete from tasks where ctid = any(array(
        select ctid from tasks where completed_at < now() - make_interval(days => ${days})
        order by completed_at limit ${tasksBatch} for update skip locked
      )) returning id
    ), left_over as (
      insert into leftovers (task_id, is_whole) select id, true from expired
      on conflict (task_id) do update set is_whole = true
    )
    select count(*) as tasks from expired`.execute(db);
  return { ...rows[0] };
}

/** Deletes what nobody can see any more: the staged items of tasks that cannot be tried again, the chunks and failures of tasks that
 *  are gone. */
export async function sweepLeftovers(db: Database): Promise<Expired> {
  const { rows } = await sql<{ items: number; chunks: number; failures: number; leftovers: number }>`
    with mine as materialized (
      select task_id, is_whole from leftovers order by task_id limit ${leftoversBatch} for update skip locked
    ), emptied as (
      update chunks set items = null where ctid = any(array(${chunksOf(sql`not is_whole`, sql`items is not null`)}))
      returning 1
    ), unchunked as (
      delete from chunks where ctid = any(array(${chunksOf(sql`is_whole`, sql`true`)}))
      returning 1
    ), unfailed as (
      delete from failures where ctid = any(array(
        select rows.id from mine, lateral (
          select ctid as id from failures where task_id = mine.task_id limit ${failuresBatch}
        ) as rows where is_whole limit ${failuresBatch}
      )) returning 1
    ), done as (
      -- As it was before this statement: what the last batch emptied goes with the next one.
      delete from leftovers where task_id = any(array(
        select task_id from mine
        where not exists (select from chunks where chunks.task_id = mine.task_id and (is_whole or items is not null))
          and not (is_whole and exists (select from failures where failures.task_id = mine.task_id))
      )) returning 1
    )
    select (select count(*) from emptied) as items, (select count(*) from unchunked) as chunks,
      (select count(*) from unfailed) as failures, (select count(*) from done) as leftovers`.execute(db);
  return { ...rows[0] };
}

/** Where such chunks of such leftovers are, as many as one batch takes. */
function chunksOf(leftover: RawBuilder<unknown>, chunk: RawBuilder<unknown>) {
  return sql`
    select place from (
      select place, sum(bytes) over (order by task_id, number) - bytes as bytes_before
      from (
        select found.* from mine, lateral (
          select ctid as place, task_id, number, coalesce(pg_column_size(items), 0) as bytes
          from chunks where task_id = mine.task_id and ${chunk} order by number limit ${chunksBatch}
        ) as found where ${leftover} limit ${chunksBatch}
      ) as batch
    ) as measured where bytes_before < ${itemsBatchBytes}`;
}

/** Keeps the staged items of a task until the transaction ends. Throws BAD_USER_INPUT (EXPIRED) when they are gone; the task must have
 *  ended. */
export async function holdItems(tx: Tx, taskId: string): Promise<void> {
  const { rows } = await sql`select from kept_items where task_id = ${taskId} for key share`.execute(tx);
  if (rows.length > 0) return;
  throw badInput(['id'], 'EXPIRED', 'This task ended so long ago that its items are not kept any more');
}
