import { sql } from 'kysely';
import { createProject, makeUpCredentials } from '../../src/auth/projects.ts';
import { type Database, openDatabase } from '../../src/db/client.ts';
import { createLog } from '../../src/log.ts';
import type { BenchDatabase } from '../support/service.ts';

/** What the reads ask for. */
export interface FilledTable {
  /** Tasks that have ended, of all ages. */
  readonly endedIds: readonly string[];
  /** Where a page in the middle of the list begins. */
  readonly middle: { readonly createdAt: Date; readonly id: string };
  /** The middle half of all tasks was started between them. */
  readonly from: Date;
  readonly until: Date;
}

const otherProjects = 4;
const unfinished = 200;

/**
 * Fills an empty database with so many tasks of the last 90 days, half of them the measured project's, the rest of four others: a tenth
 * issuances, the rest async actions of 16 types, some of them rare; 3 in 100 FAILED, 3 CANCELED. The newest 200 of each table have not ended: a
 * backlog does not grow with the table.
 */
export async function fillTable(database: BenchDatabase, count: number): Promise<FilledTable> {
  const log = createLog('warn');
  const { db, stop } = openDatabase({ url: database.url, maxConnections: 2, applicationName: 'bench', log });
  try {
    for (let other = 0; other < otherProjects; other += 1) await createProject(db, 'Other', makeUpCredentials());
    const first = await sql<{ id: string }>`select id from projects where name = 'Bench'`.execute(db);
    const projectId = first.rows[0]?.id ?? '';
    await insertTasks(db, projectId, count);
    await sql`vacuum analyze tasks`.execute(db);
    // What is still to be written would be written while reads are measured.
    await sql`checkpoint`.execute(db);
    return await pickReads(db, projectId);
  } finally {
    await stop();
  }
}

async function insertTasks(db: Database, projectId: string, count: number): Promise<void> {
  await db.transaction().execute(async (tx) => {
    // Timelines and the like are not read here.
    await sql`set local session_replication_role = replica`.execute(tx);
    await sql`
      with others as (select array_agg(id order by id) as ids from projects where id <> ${projectId})
      insert into tasks (id, project_id, model, operation, parameters, state, version, total, processed, succeeded, failed, error,
        request_id, created_at, started_at, updated_at, completed_at)
      select
        case when n % 10 = 0 then gen_random_uuid()::text else 'aa_' || lpad(to_hex(n * 4096::bigint), 18, '0') end,
        case when mix % 2 = 0 then ${projectId}::uuid else others.ids[1 + (mix / 2 % ${otherProjects})::integer] end,
        case when n % 10 = 0 then 'BULK_ISSUANCE' else 'ASYNC_ACTION' end,
        case when n % 10 = 0 then 'gift_cards.issue' else kind end,
        '{"programId": "000000000000000000000000", "cardPrefix": "000000000000000000"}', state,
        case when state = 'QUEUED' then 1 else 12 end, 1000, processed, processed, 0, case when state = 'FAILED' then 'it could not' end,
        'v-' || lpad(to_hex(n), 18, '0'), at, case when state <> 'QUEUED' then at end, at + interval '3 seconds',
        case when state in ('SUCCEEDED', 'FAILED', 'CANCELED') then at + interval '3 seconds' end
      from others, generate_series(1, ${count}::integer) as n, lateral (
        select hashint4(n)::bigint + 2147483648 as mix, now() - interval '90 days' * (1 - n / (${count} + 1.0)::double precision) as at,
          (array['vouchers.import', 'vouchers.import_csv', 'customers.import_csv', 'products.import_csv', 'skus.import_csv', 'orders.import',
            'vouchers.bulk_update', 'customers.bulk_update', 'products.bulk_update', 'campaigns.vouchers_generate',
            'campaigns.vouchers_update', 'campaigns.vouchers_delete', 'vouchers.metadata_update', 'customers.metadata_update',
            'products.metadata_update', 'vouchers.metadata_key_purge'])[case when n % 100 = 1 then 1 + n / 100 % 16 else 1 + n % 3 end] as kind
      ) as made, lateral (
        select case
          when n > ${count} - ${unfinished}::integer then (array['QUEUED', 'QUEUED', 'QUEUED', 'RUNNING', 'PAUSED'])[1 + mix / 8 % 5]
          else (array['FAILED', 'CANCELED'])[1 + mix / 8 % 32] end as special
      ) as chosen, lateral (
        select coalesce(special, 'SUCCEEDED') as state,
          case coalesce(special, 'SUCCEEDED') when 'SUCCEEDED' then 1000 when 'QUEUED' then 0 else 400 end as processed
      ) as told`.execute(tx);
  });
}

async function pickReads(db: Database, projectId: string): Promise<FilledTable> {
  const mine = db.selectFrom('tasks').where('project_id', '=', projectId);
  const { rows } = await sql<{ from: Date; middle: Date; until: Date }>`
    select percentile_disc(0.25) within group (order by created_at) as from, percentile_disc(0.5) within group (order by created_at) as middle,
      percentile_disc(0.75) within group (order by created_at) as until
    from tasks where project_id = ${projectId}`.execute(db);
  const [at] = rows;
  if (at === undefined) throw new Error('the table is empty');
  const middle = await mine.select(['created_at', 'id']).where('created_at', '=', at.middle).executeTakeFirstOrThrow();
  const ended = await mine
    .select('id')
    .where('model', '=', 'ASYNC_ACTION')
    .where('completed_at', 'is not', null)
    .orderBy(sql`md5(id)`)
    .limit(400)
    .execute();
  return {
    endedIds: ended.map(({ id }) => id),
    middle: { createdAt: middle.created_at, id: middle.id },
    from: at.from,
    until: at.until,
  };
}
