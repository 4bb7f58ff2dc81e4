import { sql } from 'kysely';
import type { Tx } from './client.ts';

/** Runs a statement that may break the unique constraint of this name: false when it does, with nothing of it done and the
 *  transaction still usable. Any other error is thrown. */
export async function unlessTaken(tx: Tx, constraint: string, statement: () => Promise<unknown>): Promise<boolean> {
  await sql`savepoint unless_taken`.execute(tx);
  try {
    await statement();
  } catch (error) {
    if (!(error instanceof Error && 'constraint' in error && error.constraint === constraint)) throw error;
    await sql`rollback to savepoint unless_taken`.execute(tx);
    return false;
  }
  await sql`release savepoint unless_taken`.execute(tx);
  return true;
}
