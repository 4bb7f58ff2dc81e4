import { sql } from 'kysely';
import type { Database } from '../../src/db/client.ts';

interface EndedTasks {
  readonly projectId: string;
  readonly count: number;
  readonly daysAgo: number;
  /** Two hex digits that the ids begin with. */
  readonly mark: string;
}

/** Writes imports that have SUCCEEDED, each with two chunks of staged items, two failures and an idempotency key that is over. */
export async function insertEndedTasks(db: Database, { projectId, count, daysAgo, mark }: EndedTasks): Promise<void> {
  const ids = sql`select 'aa_' || ${mark}::text || lpad(to_hex(n), 16, '0') as id, n from generate_series(1, ${count}::integer) as n`;
  const end = sql`now() - make_interval(days => ${daysAgo})`;
  await sql`
    insert into tasks (id, project_id, model, operation, parameters, state, total, processed, succeeded, failed, request_id,
      created_at, started_at, updated_at, completed_at)
    select id, ${projectId}, 'ASYNC_ACTION', 'vouchers.import', '{}', 'SUCCEEDED', 4, 4, 2, 2, 'v-test', ${end}, ${end}, ${end}, ${end}
    from (${ids}) as ids`.execute(db);
  await sql`
    insert into chunks (task_id, number, first_row, size, items, applied_at)
    select id, number, number * 2 + 1, 2, '[{"code":"A"},{"code":"B"}]', ${end} from (${ids}) as ids, generate_series(0, 1) as number`.execute(
    db,
  );
  await sql`
    insert into failures (task_id, row_number, key, code, message)
    select id, row, 'A', 'INVALID', 'it does not fit' from (${ids}) as ids, generate_series(1, 3, 2) as row`.execute(
    db,
  );
  await sql`
    insert into idempotency_keys (project_id, operation, key, fingerprint, task_id, created_at, expires_at)
    select ${projectId}, 'vouchers.import', id, sha256('x'), id, ${end}, ${end} from (${ids}) as ids`.execute(db);
}

/** Lets a task have ended so many days ago. */
export async function age(db: Database, id: string, days: number): Promise<void> {
  const ago = sql`make_interval(days => ${days})`;
  await db.transaction().execute(async (tx) => {
    await sql`alter table tasks disable trigger guard_task`.execute(tx);
    await sql`
      update tasks set created_at = created_at - ${ago}, started_at = started_at - ${ago}, updated_at = updated_at - ${ago},
        completed_at = completed_at - ${ago} where id = ${id}`.execute(tx);
    await sql`update kept_items set ended_at = ended_at - ${ago} where task_id = ${id}`.execute(tx);
    await sql`alter table tasks enable trigger guard_task`.execute(tx);
  });
}
