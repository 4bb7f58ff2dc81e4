import { sql } from 'kysely';
import { faultOf } from './faults.ts';
import type { AnyOperation, ApplyContext, Chunk, Failure, Outcome } from './operation.ts';

/** Tells the failure of an item that threw. */
export const isolatedCode = 'INTERNAL_ERROR';

export interface Isolation {
  /** When an UNKNOWN fault is held against the items that throw it by themselves: never; when others of the chunk succeed, however
   *  many do not; or also when they are few. Never when they are all that there is. */
  readonly blame: 'NONE' | 'AMONG_OTHERS' | 'A_FEW';
  /** Whether other chunks of the task are done. */
  readonly hasOthers: boolean;
  /** Takes down which items were isolated, and why. */
  readonly isolated: { row: number; error: unknown }[];
}

/**
 * Applies a chunk that holds items which throw: by halves, each in a savepoint, until exactly these items are left. They become
 * failures, all others go through. Throws what is not the fault of an item.
 */
export async function applyIsolated(
  operation: AnyOperation,
  chunk: Chunk<unknown>,
  context: ApplyContext,
  { blame, hasOthers, isolated }: Isolation,
): Promise<Outcome> {
  const succeeds = blame !== 'NONE' && (await oneSucceeds(operation, chunk, context));
  const most = succeeds ? chunk.size : blame === 'A_FEW' ? few : 0;
  const unknown: unknown[] = [];
  let sound = chunk.size;
  const applyPart = async (part: Chunk<unknown>): Promise<Outcome> => {
    const tried = await attempt(operation, part, context);
    if ('outcome' in tried) return tried.outcome;
    const isUnknown = faultOf(tried.error) === 'UNKNOWN';
    if (isUnknown && unknown.length >= most) throw tried.error;
    if (part.size > 1) {
      const half = Math.floor(part.size / 2);
      return join(await applyPart(slice(part, 0, half)), await applyPart(slice(part, half, part.size)));
    }
    if (isUnknown) unknown.push(tried.error);
    sound -= 1;
    isolated.push({ row: part.firstRow, error: tried.error });
    return refuse(operation, part, context);
  };
  const outcome = await applyPart(chunk);
  if (sound === 0 && unknown.length > 0 && !hasOthers) throw unknown[0];
  return outcome;
}

/** So many items tell whether a chunk has poison in it or nothing in it can succeed, and can be tried by themselves each time. */
const few = 50;

/** Whether one of a few items, drawn from all over the chunk, succeeds by itself: to be refused is no proof. Nothing of it stays. */
async function oneSucceeds(operation: AnyOperation, chunk: Chunk<unknown>, context: ApplyContext): Promise<boolean> {
  const count = Math.min(chunk.size, few);
  const stride = chunk.size / count;
  let succeeds = false;
  await sql`savepoint drawn`.execute(context.tx);
  for (let drawn = 0; drawn < count && !succeeds; drawn += 1) {
    const index = Math.floor(stride === 1 ? drawn : (drawn + Math.random()) * stride);
    const tried = await attempt(operation, slice(chunk, index, index + 1), context);
    succeeds = 'outcome' in tried && tried.outcome.failures.length === 0;
  }
  await sql`rollback to savepoint drawn`.execute(context.tx);
  await sql`release savepoint drawn`.execute(context.tx);
  return succeeds;
}

/** Applies a chunk; what it throws is returned, and then nothing of it stays. Throws outages. */
async function attempt(
  operation: AnyOperation,
  chunk: Chunk<unknown>,
  context: ApplyContext,
): Promise<{ readonly outcome: Outcome } | { readonly error: unknown }> {
  await sql`savepoint isolated`.execute(context.tx);
  try {
    const outcome = await operation.apply(chunk, context);
    await sql`release savepoint isolated`.execute(context.tx);
    return { outcome };
  } catch (error) {
    if (faultOf(error) === 'OUTAGE') throw error;
    await sql`rollback to savepoint isolated`.execute(context.tx);
    await sql`release savepoint isolated`.execute(context.tx);
    return { error };
  }
}

function join(one: Outcome, two: Outcome): Outcome {
  const report = one.report && two.report && [...one.report, ...two.report];
  return { failures: [...one.failures, ...two.failures], ...(report && { report }) };
}

function slice(chunk: Chunk<unknown>, start: number, end: number): Chunk<unknown> {
  return { ...chunk, firstRow: chunk.firstRow + start, size: end - start, items: chunk.items.slice(start, end) };
}

function refuse(operation: AnyOperation, { firstRow: row, items }: Chunk<unknown>, { taskId }: ApplyContext): Outcome {
  const key = keyOf(operation, items[0]);
  const message = `The item could not be processed because of an internal error; reference ${taskId}/row ${row}`;
  const failures: Failure[] = [{ row, key, code: isolatedCode, message }];
  return operation.result?.family === 'UPDATE' ? { failures, report: [[key ?? '', false, false]] } : { failures };
}

/** The caller's own id of an item, where it can be told without knowing the operation. */
function keyOf({ result }: AnyOperation, item: unknown): string | null {
  if (typeof item === 'string') return item;
  const name = result?.family === 'UPDATE' ? result.key : result?.family === 'IMPORT' ? result.failure.key : null;
  if (name === null || typeof item !== 'object' || item === null) return null;
  const key: unknown = Reflect.get(item, name);
  return typeof key === 'string' ? key : null;
}
