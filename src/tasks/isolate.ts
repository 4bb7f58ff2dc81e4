import { sql } from 'kysely';
import { faultOf } from './faults.ts';
import type { AnyOperation, ApplyContext, Chunk, Failure, Outcome } from './operation.ts';

/**
 * Applies a chunk that holds items which throw: by halves, each in a savepoint, until exactly these items are left. They become
 * failures, all others go through. Throws what is not the fault of an item.
 */
export async function applyIsolated(
  operation: AnyOperation,
  chunk: Chunk<unknown>,
  context: ApplyContext,
): Promise<Outcome> {
  await sql`savepoint isolated`.execute(context.tx);
  try {
    const outcome = await operation.apply(chunk, context);
    await sql`release savepoint isolated`.execute(context.tx);
    return outcome;
  } catch (error) {
    if (faultOf(error) !== 'ITEM') throw error;
    await sql`rollback to savepoint isolated`.execute(context.tx);
    await sql`release savepoint isolated`.execute(context.tx);
  }
  if (chunk.size === 1) return refuse(operation, chunk, context);
  const [first, second] = halve(chunk);
  const one = await applyIsolated(operation, first, context);
  const two = await applyIsolated(operation, second, context);
  const report = one.report && two.report && [...one.report, ...two.report];
  return { failures: [...one.failures, ...two.failures], ...(report && { report }) };
}

function halve(chunk: Chunk<unknown>): [Chunk<unknown>, Chunk<unknown>] {
  const size = Math.floor(chunk.size / 2);
  return [
    { ...chunk, size, items: chunk.items.slice(0, size) },
    { ...chunk, firstRow: chunk.firstRow + size, size: chunk.size - size, items: chunk.items.slice(size) },
  ];
}

function refuse(operation: AnyOperation, { firstRow: row, items }: Chunk<unknown>, { taskId }: ApplyContext): Outcome {
  const key = keyOf(operation, items[0]);
  const message = `The item could not be processed because of an internal error; reference ${taskId}/row ${row}`;
  const failures: Failure[] = [{ row, key, code: 'INTERNAL_ERROR', message }];
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
