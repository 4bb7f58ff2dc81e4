import pg from 'pg';
import { onTestFinished } from 'vitest';

/** A table to which nobody can write until let through: who waits is in the middle of something, on a machine of any speed. */
export interface HeldTable {
  /** How many are waiting to write. */
  countWaiting(): Promise<number>;
  /** Lets those write who are waiting, and nobody else. Returns when their transactions are over. */
  letThrough(): Promise<void>;
  release(): Promise<void>;
}

/** Holds a table, at the latest until the test is over. */
export async function holdTable(databaseUrl: string, table: string): Promise<HeldTable> {
  const holder = await openSession(databaseUrl);
  const onlooker = await openSession(databaseUrl);
  const hold = `begin; lock table ${table} in share mode`;
  await holder.query(hold);
  return {
    countWaiting: async () => {
      const { rows } = await onlooker.query(
        `select count(*)::integer as waiting from pg_locks
         where relation = '${table}'::regclass and mode = 'RowExclusiveLock' and not granted`,
      );
      return rows[0].waiting;
    },
    letThrough: async () => {
      await holder.query(`rollback; ${hold}`);
    },
    release: async () => {
      await holder.query('rollback');
    },
  };
}

async function openSession(connectionString: string): Promise<pg.Client> {
  const session = new pg.Client({ connectionString });
  await session.connect();
  onTestFinished(() => session.end());
  return session;
}
