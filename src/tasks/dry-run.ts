import { sql } from 'kysely';
import type { Tx } from '../db/client.ts';
import { readItems } from './chunks.ts';
import { countOutcomes, countRows, type DryReport, type ItemOutcome } from './dry-report.ts';
import { isolatedCode } from './isolate.ts';
import type { AnyOperation, ApplyContext, Chunk, Failure, ImportedRecords, Outcome } from './operation.ts';
import { findRecords, namesIn, readImages, settledNames, writeImages } from './records.ts';

/**
 * A dry run applies each chunk and rolls it back, in the order of the file. What an earlier chunk would have done to a record that a
 * later one names too is remembered as an image of the record and put back before that one; such names are known since the start.
 */

type Apply = (operation: AnyOperation, chunk: Chunk<unknown>, context: ApplyContext) => Promise<Outcome>;

/** Tells what `apply` would do to a chunk; nothing of it stays but what later chunks of the dry run need to know. */
export async function applyDry(
  operation: AnyOperation,
  chunk: Chunk<unknown>,
  context: ApplyContext,
  apply: Apply,
): Promise<{ failures: readonly Failure[]; report: DryReport }> {
  const { tx, taskId, projectId } = context;
  const records = recordsOf(operation);
  const { kind } = records;
  const names = chunk.items.map(namesIn(records, context.parameters));
  const all = [...new Set(names.flat())];
  const counts = await countOutcomes(tx, taskId, chunk.firstRow - 1);
  const remembered = await readRemembered(context, records, all);
  await sql`savepoint dry_run`.execute(tx);
  const restored = await goBackTo(operation, chunk, context, remembered);
  const before = await findRecords(tx, projectId, kind, all);
  const { failures } = await apply(operation, chunk, { ...context, unseen: counts.CREATED - restored });
  const after = await findRecords(tx, projectId, kind, all);
  const images = remembered.length === 0 ? [] : await readImages(tx, projectId, kind, remembered);
  await sql`rollback to savepoint dry_run`.execute(tx);
  await remember(tx, taskId, images);
  const rows = tellOutcomes(chunk.firstRow, names, { before, after, failures });
  return { failures, report: { counts: countRows(rows, counts), rows } };
}

/** Passes items on and learns which names stand more than once; `settle` keeps them, once the task is stored. */
export function watchNames<Item>(
  tx: Tx,
  { records, parameters }: { readonly records: ImportedRecords; readonly parameters: ApplyContext['parameters'] },
  items: Iterable<Item> | AsyncIterable<Item>,
): { readonly items: AsyncIterable<Item>; settle(taskId: string, projectId: string): Promise<void> } {
  const read = namesIn(records, parameters);
  const note = (names: readonly string[]) => sql`insert into dry_run_names select unnest(${names}::text[])`.execute(tx);
  async function* watched(): AsyncGenerator<Item> {
    await sql`create temporary table dry_run_names (name text collate "C") on commit drop`.execute(tx);
    // Not the items, which can be large.
    let names: string[] = [];
    for await (const item of items) {
      names.push(...read(item));
      if (names.length >= namesAtOnce) {
        await note(names);
        names = [];
      }
      yield item;
    }
    await note(names);
  }
  const settle = async (taskId: string, projectId: string) => {
    const names = settledNames(records.kind, projectId, sql`dry_run_names`);
    await sql`
      insert into dry_run_records (task_id, name)
      select ${taskId}, name from (${names}) as names group by name having count(*) > 1`.execute(tx);
  };
  return { items: watched(), settle };
}

const namesAtOnce = 5_000;

/** Forgets what a dry run remembered, when it has ended. */
export async function forgetDryRun(tx: Tx, taskId: string): Promise<void> {
  await tx.deleteFrom('dry_run_records').where('task_id', '=', taskId).execute();
}

function recordsOf({ name, records }: AnyOperation): ImportedRecords {
  if (records === undefined) throw new Error(`the operation ${name} cannot be run dry`);
  return records;
}

/** The names among these that other chunks have too. */
async function readRemembered(
  { tx, taskId, projectId }: ApplyContext,
  { kind, meetAll }: ImportedRecords,
  names: readonly string[],
): Promise<string[]> {
  if (meetAll || names.length === 0) return [];
  const given = sql`(select unnest(${names}::text[]) as name)`;
  const { rows } = await sql<{ name: string }>`
    select name from dry_run_records where task_id = ${taskId} and name in (
      ${settledNames(kind, projectId, given)}
    )`.execute(tx);
  return rows.map(({ name }) => name);
}

/** Does again what earlier chunks would have done to what this one can meet. Returns how many records that made. */
async function goBackTo(
  operation: AnyOperation,
  chunk: Chunk<unknown>,
  context: ApplyContext,
  remembered: readonly string[],
): Promise<number> {
  const { kind, meetAll } = recordsOf(operation);
  const { tx, taskId } = context;
  if (meetAll) {
    for (const earlier of await readEarlier(tx, taskId, chunk.number)) {
      if (earlier.size > 0) await operation.apply(earlier, context);
    }
    return 0;
  }
  if (remembered.length === 0) return 0;
  const images = sql`
    select record from dry_run_records
    where task_id = ${taskId} and name = any(${remembered}::text[]) and record is not null`;
  return writeImages(tx, kind, images);
}

/** The chunks before this one, without the items that were isolated. */
async function readEarlier(tx: Tx, taskId: string, number: number): Promise<Chunk<unknown>[]> {
  const rows = await tx
    .selectFrom('chunks')
    .select(['number', 'first_row', 'items'])
    .where('task_id', '=', taskId)
    .where('number', '<', number)
    .orderBy('number')
    .execute();
  const isolated = await readIsolatedRows(tx, taskId);
  return rows.map(({ number: earlier, first_row: firstRow, items: staged }) => {
    const items = readItems(staged).filter((_, index) => !isolated.has(firstRow + index));
    return { number: earlier, firstRow, size: items.length, items };
  });
}

async function readIsolatedRows(tx: Tx, taskId: string): Promise<Set<number>> {
  const rows = await tx
    .selectFrom('failures')
    .select('row_number')
    .where('task_id', '=', taskId)
    .where('code', '=', isolatedCode)
    .execute();
  return new Set(rows.map((row) => row.row_number));
}

async function remember(tx: Tx, taskId: string, images: readonly { name: string; image: string }[]): Promise<void> {
  if (images.length === 0) return;
  await sql`
    update dry_run_records as d set record = given.image::jsonb
    from unnest(${images.map(({ name }) => name)}::text[], ${images.map(({ image }) => image)}::text[]) as given(name, image)
    where d.task_id = ${taskId} and d.name = given.name`.execute(tx);
}

type Find = Awaited<ReturnType<typeof findRecords>>;

/** The first item of a record that would be made is the one that makes it. */
function tellOutcomes(
  firstRow: number,
  names: readonly (readonly string[])[],
  { before, after, failures }: { before: Find; after: Find; failures: readonly Failure[] },
): [string | null, ItemOutcome][] {
  const failed = new Map(failures.map((failure) => [failure.row, failure.key]));
  const made = new Set<string>();
  return names.map((ofItem, index) => {
    const row = firstRow + index;
    const key = ofItem.at(-1) ?? null;
    if (failed.has(row)) return [failed.get(row) ?? key, 'FAILED'];
    const known = before(ofItem);
    const now = after(ofItem);
    if (known !== undefined) return [key, known.place === now?.place ? 'SKIPPED' : 'UPDATED'];
    if (now !== undefined && made.has(now.id)) return [key, 'UPDATED'];
    if (now !== undefined) made.add(now.id);
    return [key, 'CREATED'];
  });
}
