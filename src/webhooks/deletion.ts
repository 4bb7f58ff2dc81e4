import { sql } from 'kysely';
import type { Database, Tx } from '../db/client.ts';
import { asUuid, type Endpoint, noEndpoint, shown } from './endpoints.ts';

const endpointsBatch = 20;

/** Takes it away with its deliveries, at once for everybody, and returns it as it was; `sweepDeletedEndpoints` deletes the rows. Throws
 *  BAD_USER_INPUT when it is not there. */
export async function deleteEndpoint(db: Database | Tx, projectId: string, id: string): Promise<Endpoint> {
  const endpoint = await db
    .updateTable('webhook_endpoints')
    .set({ deleted_at: sql<Date>`clock_timestamp()` })
    .where('id', '=', asUuid(id))
    .where('project_id', '=', projectId)
    .where('deleted_at', 'is', null)
    .returning(shown)
    .executeTakeFirst();
  if (endpoint === undefined) throw noEndpoint(id);
  return endpoint;
}

/** Deletes at most `limit` deliveries of deleted endpoints with their attempts, and endpoints that have none left; returns how many. What
 *  somebody else holds is left for later. */
export async function sweepDeletedEndpoints(db: Database, limit: number): Promise<Readonly<Record<string, number>>> {
  const { rows } = await sql<{ webhook_deliveries: number; webhook_endpoints: number }>`
    with mine as materialized (
      select id from webhook_endpoints where deleted_at is not null order by deleted_at limit ${endpointsBatch}
      for no key update skip locked
    ), told as (
      delete from webhook_deliveries where id = any(array(
        select rows.id from mine, lateral (
          select id from webhook_deliveries where endpoint_id = mine.id limit ${limit}
        ) as rows limit ${limit}
      )) returning 1
    ), done as (
      -- As it was before this statement: what is emptied here goes with the next one.
      delete from webhook_endpoints where id = any(array(
        select id from mine where not exists (select from webhook_deliveries where endpoint_id = mine.id)
      )) returning 1
    )
    select (select count(*) from told) as webhook_deliveries, (select count(*) from done) as webhook_endpoints`.execute(
    db,
  );
  return { ...rows[0] };
}
