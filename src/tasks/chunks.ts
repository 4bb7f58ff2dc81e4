import { promisify } from 'node:util';
import { constants, zstdCompress, zstdDecompressSync } from 'node:zlib';
import { sql } from 'kysely';
import { z } from 'zod';
import type { Database, Tx } from '../db/client.ts';
import { ClientError } from '../errors.ts';
import type { DryReport } from './dry-report.ts';
import type { Chunk, Plan, ReportRow } from './operation.ts';

export interface Staged {
  readonly total: number;
  readonly chunkCount: number;
}

/** A chunk is in memory as a whole, here and where it is applied: large items make smaller chunks. */
const maxChunkBytes = 4_194_304;

interface StageOptions {
  readonly chunkSize: number;
  readonly maxItems: number;
}

/** Writes the items of a plan as chunks, while they come: no more than two chunks are ever in memory, one that is being written and one
 *  that is being filled. Throws BAD_USER_INPUT when there are more than `maxItems`. */
export async function stageChunks(
  tx: Tx,
  taskId: string,
  items: Plan['items'],
  options: StageOptions,
): Promise<Staged> {
  if ('count' in items) return stageCount(tx, taskId, items.count, options);
  let total = 0;
  let chunkCount = 0;
  let pending: string[] = [];
  let bytes = 0;
  let writing: Promise<unknown> = Promise.resolve();
  let hasFailed = false;
  const flush = async () => {
    const texts = pending;
    pending = [];
    bytes = 0;
    await writing;
    writing = insertChunk(tx, taskId, chunkCount, total - texts.length + 1, texts);
    chunkCount += 1;
    // Thrown where it is waited for, which then is at the next item.
    writing.catch(() => {
      hasFailed = true;
    });
  };
  const fillsChunk = (item: unknown): boolean => {
    total += 1;
    if (total > options.maxItems) throw tooManyItems(options.maxItems);
    const text = JSON.stringify(item);
    pending.push(text);
    bytes += text.length;
    return pending.length === options.chunkSize || bytes >= maxChunkBytes || hasFailed;
  };
  try {
    // What is here already is not waited for, item by item.
    if (Symbol.iterator in items) {
      for (const item of items) if (fillsChunk(item)) await flush();
    } else {
      for await (const item of items) if (fillsChunk(item)) await flush();
    }
    if (pending.length > 0) await flush();
  } finally {
    // When it has failed, that is why what the items read of the same transaction failed too.
    await writing;
  }
  return { total, chunkCount };
}

/** The seed of the lock by which a task's chunks in hand are known; any constant will do. */
export const inHandLock = 20_260_301;

/** Counts the chunks that workers have in hand, of all tasks: nobody else takes a shared advisory lock. */
export const chunksInHand = sql<number>`(
  select count(*) from pg_locks where locktype = 'advisory' and mode = 'ShareLock' and granted
    and database = (select oid from pg_database where datname = current_database()))`;

/** A worker that holds a chunk and says nothing for so long is frozen or cut off: the chunk is for others. As long as a heartbeat. */
const frozenMs = 10_000;

/** Takes the chunk for this transaction: nobody else can apply it until the transaction ends, nor after it commits. Records that it
 *  makes tell the task. Nothing when it is applied already. */
export async function takeChunk(tx: Tx, taskId: string, number: number): Promise<Chunk<unknown> | undefined> {
  const row = await tx
    .updateTable('chunks')
    .set({ applied_at: sql<Date>`clock_timestamp()` })
    .where('task_id', '=', taskId)
    .where('number', '=', number)
    .where('applied_at', 'is', null)
    .returning(['first_row', 'size', 'items'])
    .returning(sql`pg_advisory_xact_lock_shared(hashtextextended(task_id, ${inHandLock}))`.as('in_hand'))
    .returning(sql`set_config('bulkcast.task', task_id, true)`.as('setting'))
    .returning(sql`set_config('idle_in_transaction_session_timeout', ${frozenMs}::text, true)`.as('frozen_ms'))
    .executeTakeFirst();
  if (row === undefined) return undefined;
  return { number, firstRow: row.first_row, size: row.size, items: readItems(row.items) };
}

const compress = promisify(zstdCompress);
/** The fastest that is worth it: Postgres stores and logs a tenth of what it would. */
const compression = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };
/** The first byte of a list in JSON, as older tasks have it, and of nothing that is compressed. */
const openingBracket = 0x5b;

/** The items of a chunk, as planned; none where the operation makes its own. Throws when what is staged is no list. */
export function readItems(staged: Buffer | null): unknown[] {
  if (staged === null) return [];
  const text = staged[0] === openingBracket ? staged : zstdDecompressSync(staged);
  const items: unknown = JSON.parse(text.toString());
  if (!Array.isArray(items)) throw new Error('a staged chunk is no list of items');
  return items;
}

/** Keeps what a chunk of a bulk update did to each of its items, or what one of a dry run would do. */
export async function storeReport(
  tx: Tx,
  taskId: string,
  number: number,
  report: readonly ReportRow[] | DryReport,
): Promise<void> {
  await tx
    .updateTable('chunks')
    .set({ report: JSON.stringify(report) })
    .where('task_id', '=', taskId)
    .where('number', '=', number)
    .execute();
}

/** The report of a bulk update in row order, a chunk at a time; ends early when the signal aborts. */
export async function* streamReport(
  db: Database,
  taskId: string,
  signal: AbortSignal,
): AsyncGenerator<readonly ReportRow[]> {
  for (let number = 0; !signal.aborted; number += 1) {
    const row = await db
      .selectFrom('chunks')
      .select('report')
      .where('task_id', '=', taskId)
      .where('number', '=', number)
      .executeTakeFirst();
    if (row === undefined) return;
    yield reportRows.parse(row.report ?? []);
  }
}

const reportRows = z.array(z.tuple([z.string(), z.boolean(), z.boolean()]));

async function stageCount(tx: Tx, taskId: string, total: number, options: StageOptions): Promise<Staged> {
  if (total > options.maxItems) throw tooManyItems(options.maxItems);
  const { chunkSize } = options;
  const chunkCount = Math.ceil(total / chunkSize);
  await sql`
    insert into chunks (task_id, number, first_row, size)
    select ${taskId}, number, number * ${chunkSize}::integer + 1, least(${chunkSize}, ${total} - number * ${chunkSize}::integer)
    from generate_series(0, ${chunkCount}::integer - 1) as number`.execute(tx);
  return { total, chunkCount };
}

async function insertChunk(tx: Tx, taskId: string, number: number, firstRow: number, texts: readonly string[]) {
  const items = await compress(`[${texts.join(',')}]`, compression);
  await tx
    .insertInto('chunks')
    .values({ task_id: taskId, number, first_row: firstRow, size: texts.length, items })
    .execute();
}

function tooManyItems(maxItems: number): ClientError {
  const message = `A task takes at most ${maxItems} items; split the request`;
  return new ClientError('BAD_USER_INPUT', message, { issues: [{ path: [], code: 'TOO_MANY_ITEMS', message }] });
}
