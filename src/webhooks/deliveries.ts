import { sql } from 'kysely';
import type { Database, Tx } from '../db/client.ts';
import type { WebhookDeliveryRow } from '../db/webhook-tables.ts';
import { badInput } from '../errors.ts';
import { asUuid, noEndpoint } from './endpoints.ts';
import { eventBody } from './events.ts';
import type { Webhooks } from './webhooks.ts';

/** What an owner can read of messages, and have done with them. Whoever changes a delivery takes the lock of its endpoint first. */

export type Delivery = WebhookDeliveryRow;
export type DeliveryState = Delivery['state'];

export interface Attempt {
  readonly number: number;
  readonly at: Date;
  readonly status: number | null;
  readonly durationMs: number;
  readonly answer: string | null;
  readonly error: string | null;
}

export interface DeliveryPosition {
  readonly createdAt: Date;
  readonly id: string;
}

/** One page of an endpoint's deliveries, newest first. */
export async function listDeliveries(
  db: Database,
  endpointId: string,
  page: {
    readonly state?: DeliveryState | undefined;
    readonly after?: DeliveryPosition | undefined;
    readonly limit: number;
  },
): Promise<Delivery[]> {
  const { state, after, limit } = page;
  let query = db.selectFrom('webhook_deliveries').selectAll().where('endpoint_id', '=', endpointId);
  if (state !== undefined) query = query.where('state', '=', state);
  if (after !== undefined)
    query = query.where(sql<boolean>`(created_at, id) < (${after.createdAt}, ${after.id}::uuid)`);
  return query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit).execute();
}

/** The attempts that the delivery, as it was read, counts; oldest first, at most the last 50. One that was made since would not agree
 *  with its state. */
export async function listAttempts(
  db: Database,
  { id, attempts }: Pick<Delivery, 'id' | 'attempts'>,
): Promise<Attempt[]> {
  return db
    .selectFrom('webhook_attempts')
    .select(['number', 'at', 'status', 'duration_ms as durationMs', 'answer', 'error'])
    .where('delivery_id', '=', id)
    .where('number', '<=', attempts)
    .orderBy('number')
    .execute();
}

/** Longer than an attempt takes. */
const attemptSeconds = 20;

/** Sends a message once more, now and for a day, whatever became of it: the same id and body. An attempt that is in hand is followed by
 *  another however it goes. Throws BAD_USER_INPUT when it is not there or its endpoint is disabled. */
export async function replayDelivery(
  { db, deliveries }: Pick<Webhooks, 'db' | 'deliveries'>,
  projectId: string,
  id: string,
): Promise<Delivery> {
  const deliveryId = asUuid(id);
  const missing = badInput(['id'], 'NOT_FOUND', `Cannot find webhook delivery with id ${id.slice(0, 40)}`);
  const known = await db
    .selectFrom('webhook_deliveries as delivery')
    .innerJoin('webhook_endpoints as endpoint', 'endpoint.id', 'delivery.endpoint_id')
    .select('endpoint.id as endpointId')
    .where('delivery.id', '=', deliveryId)
    .where('endpoint.project_id', '=', projectId)
    .where('endpoint.deleted_at', 'is', null)
    .executeTakeFirst();
  if (known === undefined) throw missing;
  return db.transaction().execute(async (tx) => {
    const endpointId = await wakeEndpoint(tx, projectId, known.endpointId);
    const isDue = await hasAttemptDue(tx, deliveryId);
    const delivery = await startAnew(tx, deliveryId);
    if (delivery === undefined) throw missing;
    const job = { deliveryId, endpointId, attempt: delivery.attempts + 1 };
    // What is due is sent by the job that it has; a second one beside it would send it twice, and is only for the case that the first is lost.
    await deliveries.enqueue(tx, [isDue ? { ...job, afterSeconds: attemptSeconds } : job]);
    return delivery;
  });
}

/** Whether its next attempt may have begun. */
async function hasAttemptDue(tx: Tx, deliveryId: string): Promise<boolean> {
  const due = tx.selectFrom('webhook_deliveries').select('id').where('id', '=', deliveryId);
  return (await due.where('next_attempt_at', '<=', sql<Date>`clock_timestamp()`).executeTakeFirst()) !== undefined;
}

/** An attempt in hand knows by the later `expires_at` that its delivery was replayed meanwhile. */
async function startAnew(tx: Tx, deliveryId: string): Promise<Delivery | undefined> {
  return tx
    .updateTable('webhook_deliveries')
    .set({
      state: 'PENDING',
      completed_at: null,
      next_attempt_at: sql<Date>`clock_timestamp()`,
      expires_at: sql<Date>`greatest(clock_timestamp() + interval '1 day', expires_at + interval '1 millisecond')`,
    })
    .where('id', '=', deliveryId)
    .returningAll()
    .executeTakeFirst();
}

/** Sends an endpoint a message that is about no task. Throws BAD_USER_INPUT when it is not there or disabled. */
export async function sendTest(
  { db, deliveries }: Pick<Webhooks, 'db' | 'deliveries'>,
  projectId: string,
  id: string,
): Promise<Delivery> {
  return db.transaction().execute(async (tx) => {
    const endpointId = await wakeEndpoint(tx, projectId, asUuid(id));
    const type = 'bulk_task.test';
    const delivery = await tx
      .insertInto('webhook_deliveries')
      .values({ endpoint_id: endpointId, type, body: eventBody(type, new Date(), { endpointId }) })
      .returningAll()
      .executeTakeFirstOrThrow();
    await deliveries.enqueue(tx, [{ deliveryId: delivery.id, endpointId, attempt: 1 }]);
    return delivery;
  });
}

/** Somebody wants to see a message arrive: it does not wait for the end of a slow-down. */
async function wakeEndpoint(tx: Tx, projectId: string, endpointId: string): Promise<string> {
  const endpoint = await tx
    .updateTable('webhook_endpoints')
    .set({ paused_until: null })
    .where('id', '=', endpointId)
    .where('project_id', '=', projectId)
    .where('deleted_at', 'is', null)
    .returning('disabled_at')
    .executeTakeFirst();
  if (endpoint === undefined) throw noEndpoint(endpointId);
  if (endpoint.disabled_at !== null) throw badInput(['id'], 'ENDPOINT_DISABLED', 'Enable the endpoint first');
  return endpointId;
}

/** Deletes deliveries that were over before that moment, with their attempts, at most `limit`; returns how many. */
export async function pruneDeliveries(db: Database, before: Date, limit: number): Promise<number> {
  const { numAffectedRows } = await sql`
    delete from webhook_deliveries where id in (
      select id from webhook_deliveries where completed_at < ${before} order by completed_at limit ${limit} for update skip locked
    )`.execute(db);
  return Number(numAffectedRows ?? 0);
}
