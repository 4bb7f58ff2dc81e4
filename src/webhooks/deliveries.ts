import { type ExpressionBuilder, sql } from 'kysely';
import type { Database, Tx } from '../db/client.ts';
import type { Tables } from '../db/tables.ts';
import type { WebhookDeliveryRow, WebhookEndpointRow } from '../db/webhook-tables.ts';
import { badInput } from '../errors.ts';
import { asUuid, noEndpoint, nothingFailed } from './endpoints.ts';
import { eventBody } from './events.ts';
import type { Outcome } from './sender.ts';
import type { Webhooks } from './webhooks.ts';

/** The SQL on messages and the attempts to deliver them. Whoever changes a delivery takes the lock of its endpoint first. */

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

/** Of one delivery; replays go on adding some. */
const keptAttempts = 50;

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

/** The attempts of a delivery, oldest first, at most the last 50. */
export async function listAttempts(db: Database, deliveryId: string): Promise<Attempt[]> {
  return db
    .selectFrom('webhook_attempts')
    .select(['number', 'at', 'status', 'duration_ms as durationMs', 'answer', 'error'])
    .where('delivery_id', '=', deliveryId)
    .orderBy('number')
    .execute();
}

/** What an attempt needs; the database tells which secrets still sign and how long the endpoint is slowed down. */
export interface DueDelivery extends Pick<Delivery, 'id' | 'endpoint_id' | 'type' | 'body'> {
  readonly url: string;
  readonly secret: Buffer;
  readonly previousSecret: Buffer | null;
  /** Seconds until the endpoint may be asked again; null: now. */
  readonly pausedSeconds: number | null;
}

/** The delivery, if its attempt of this number is still to be made. */
export async function findDue(db: Database, deliveryId: string, attempt: number): Promise<DueDelivery | undefined> {
  return db
    .selectFrom('webhook_deliveries as delivery')
    .innerJoin('webhook_endpoints as endpoint', 'endpoint.id', 'delivery.endpoint_id')
    .select([
      'delivery.id',
      'delivery.endpoint_id',
      'delivery.type',
      'delivery.body',
      'endpoint.url',
      'endpoint.secret',
    ])
    .select([
      sql<Buffer | null>`case when previous_secret_until > clock_timestamp() then previous_secret end`.as(
        'previousSecret',
      ),
      // A message that would expire meanwhile is tried a last time instead.
      sql<number | null>`case when paused_until > clock_timestamp() and expires_at > paused_until
        then extract(epoch from paused_until - clock_timestamp())::float8 end`.as('pausedSeconds'),
    ])
    .where('delivery.id', '=', deliveryId)
    .where('delivery.state', '=', 'PENDING')
    .where('delivery.attempts', '=', attempt - 1)
    .executeTakeFirst();
}

/** Takes the lock of an endpoint for this transaction; undefined when it has been deleted. */
export async function lockEndpoint(
  tx: Tx,
  id: string,
): Promise<(Pick<WebhookEndpointRow, 'failures'> & { readonly failingSeconds: number }) | undefined> {
  return tx
    .selectFrom('webhook_endpoints')
    .select([
      'failures',
      sql<number>`coalesce(extract(epoch from clock_timestamp() - failing_since), 0)::float8`.as('failingSeconds'),
    ])
    .where('id', '=', id)
    .forNoKeyUpdate()
    .executeTakeFirst();
}

/** Writes how an attempt went; a failed one is followed by another after so many seconds, unless the message expires before. Returns
 *  the delivery, or nothing when this attempt has been written already. */
export async function recordAttempt(
  tx: Tx,
  attempt: { readonly deliveryId: string; readonly number: number; readonly nextSeconds: number },
  outcome: Outcome,
): Promise<Pick<Delivery, 'state'> | undefined> {
  const { deliveryId, number, nextSeconds } = attempt;
  const next = sql<Date>`clock_timestamp() + make_interval(secs => ${nextSeconds})`;
  const isOver = outcome.error === null ? sql<boolean>`true` : sql<boolean>`${next} > expires_at`;
  const delivery = await tx
    .updateTable('webhook_deliveries')
    .set({
      attempts: number,
      state: sql<DeliveryState>`case when ${isOver} then ${outcome.error === null ? 'SUCCEEDED' : 'FAILED'} else 'PENDING' end`,
      completed_at: sql<Date | null>`case when ${isOver} then clock_timestamp() end`,
      next_attempt_at: sql<Date | null>`case when ${isOver} then null else ${next} end`,
    })
    .where('id', '=', deliveryId)
    .where('state', '=', 'PENDING')
    .where('attempts', '=', number - 1)
    .returning('state')
    .executeTakeFirst();
  if (delivery === undefined) return undefined;
  const { status, durationMs, answer, error } = outcome;
  await tx
    .insertInto('webhook_attempts')
    .values({ delivery_id: deliveryId, number, status, duration_ms: durationMs, answer, error })
    .execute();
  const old = tx.deleteFrom('webhook_attempts').where('delivery_id', '=', deliveryId);
  if (number > keptAttempts) await old.where('number', '<=', number - keptAttempts).execute();
  return delivery;
}

/** Writes on the endpoint what an attempt told of it; `pauseSeconds` slows it down. */
export async function noteOutcome(tx: Tx, endpointId: string, hasFailed: boolean, pauseSeconds: number): Promise<void> {
  const failed = (eb: ExpressionBuilder<Tables, 'webhook_endpoints'>) => ({
    failures: eb('failures', '+', 1),
    failing_since: sql<Date>`coalesce(failing_since, clock_timestamp())`,
    ...(pauseSeconds > 0
      ? { paused_until: sql<Date>`greatest(paused_until, clock_timestamp() + make_interval(secs => ${pauseSeconds}))` }
      : {}),
  });
  await tx
    .updateTable('webhook_endpoints')
    .set((eb) => (hasFailed ? failed(eb) : nothingFailed))
    .where('id', '=', endpointId)
    .execute();
}

/** Puts an attempt off: its endpoint is slowed down. */
export async function postpone(tx: Tx, deliveryId: string, seconds: number): Promise<void> {
  await tx
    .updateTable('webhook_deliveries')
    .set({ next_attempt_at: sql<Date>`clock_timestamp() + make_interval(secs => ${seconds})` })
    .where('id', '=', deliveryId)
    .where('state', '=', 'PENDING')
    .execute();
}

/** Sends a message once more, now and for a day, whatever became of it: the same id and body. Throws BAD_USER_INPUT when it is not there
 *  or its endpoint is disabled. */
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
    .executeTakeFirst();
  if (known === undefined) throw missing;
  return db.transaction().execute(async (tx) => {
    const endpointId = await wakeEndpoint(tx, projectId, known.endpointId);
    const delivery = await tx
      .updateTable('webhook_deliveries')
      .set({
        state: 'PENDING',
        completed_at: null,
        next_attempt_at: sql<Date>`clock_timestamp()`,
        expires_at: sql<Date>`clock_timestamp() + interval '1 day'`,
      })
      .where('id', '=', deliveryId)
      .returningAll()
      .executeTakeFirst();
    if (delivery === undefined) throw missing;
    await deliveries.enqueue(tx, [{ deliveryId, endpointId, attempt: delivery.attempts + 1 }]);
    return delivery;
  });
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
