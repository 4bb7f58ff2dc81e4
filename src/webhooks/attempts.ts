import { type ExpressionBuilder, sql } from 'kysely';
import type { Database, Tx } from '../db/client.ts';
import type { Tables } from '../db/tables.ts';
import type { WebhookEndpointRow } from '../db/webhook-tables.ts';
import type { Delivery, DeliveryState } from './deliveries.ts';
import { nothingFailed } from './endpoints.ts';
import type { Outcome } from './sender.ts';

/** The SQL of a worker's attempts. Whoever changes a delivery takes the lock of its endpoint first. */

/** Of one delivery; replays go on adding some. */
const keptAttempts = 50;

/** What an attempt needs; the database tells which secrets still sign and how long the endpoint is slowed down. */
export interface DueDelivery extends Pick<Delivery, 'id' | 'endpoint_id' | 'type' | 'body' | 'expires_at'> {
  readonly url: string;
  readonly secret: Buffer;
  readonly previousSecret: Buffer | null;
  /** Seconds until the endpoint may be asked again; null: now. */
  readonly pausedSeconds: number | null;
}

/** All endpoints of the projects to which at least `max` of these belong; one that stands several times counts as often. */
export async function findCrowded(db: Database, endpointIds: readonly string[], max: number): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select id from webhook_endpoints where project_id in (
      select project_id from unnest(${endpointIds}::uuid[]) as busy (endpoint_id)
      join webhook_endpoints on id = endpoint_id group by project_id having count(*) >= ${max}
    )`.execute(db);
  return rows.map(({ id }) => id);
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
      'delivery.expires_at',
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
    .where('endpoint.deleted_at', 'is', null)
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
    .where('deleted_at', 'is', null)
    .forNoKeyUpdate()
    .executeTakeFirst();
}

/** Only a replay moves it, and only on; the column's milliseconds are those of a Date. */
const isReplayed = ({ expires_at }: Pick<Delivery, 'expires_at'>) => sql<boolean>`expires_at > ${expires_at}`;

/** Writes how an attempt went; a failed one is followed by another after so many seconds, unless the message expires before, and any one
 *  by another at once when the delivery was replayed meanwhile. Returns the delivery, or nothing when this attempt has been written
 *  already. */
export async function recordAttempt(
  tx: Tx,
  attempt: { readonly due: DueDelivery; readonly number: number; readonly nextSeconds: number },
  outcome: Outcome,
): Promise<(Pick<Delivery, 'state'> & { readonly isReplayed: boolean }) | undefined> {
  const { due, number, nextSeconds } = attempt;
  const replayed = isReplayed(due);
  const next = sql<Date>`clock_timestamp() + case when ${replayed} then '0' else make_interval(secs => ${nextSeconds}) end`;
  const isOver = sql<boolean>`not ${replayed} and ${outcome.error === null ? sql`true` : sql`${next} > expires_at`}`;
  const delivery = await tx
    .updateTable('webhook_deliveries')
    .set({
      attempts: number,
      state: sql<DeliveryState>`case when ${isOver} then ${outcome.error === null ? 'SUCCEEDED' : 'FAILED'} else 'PENDING' end`,
      completed_at: sql<Date | null>`case when ${isOver} then clock_timestamp() end`,
      next_attempt_at: sql<Date | null>`case when ${isOver} then null else ${next} end`,
    })
    .where('id', '=', due.id)
    .where('state', '=', 'PENDING')
    .where('attempts', '=', number - 1)
    .returning(['state', replayed.as('isReplayed')])
    .executeTakeFirst();
  if (delivery === undefined) return undefined;
  const { status, durationMs, answer, error } = outcome;
  await tx
    .insertInto('webhook_attempts')
    .values({ delivery_id: due.id, number, status, duration_ms: durationMs, answer, error })
    .execute();
  const old = tx.deleteFrom('webhook_attempts').where('delivery_id', '=', due.id);
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

/** Puts an attempt off: its endpoint is slowed down. False when the delivery was replayed meanwhile, or is not waiting any more. */
export async function postpone(tx: Tx, due: DueDelivery, seconds: number): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('webhook_deliveries')
    .set({ next_attempt_at: sql<Date>`clock_timestamp() + make_interval(secs => ${seconds})` })
    .where('id', '=', due.id)
    .where('state', '=', 'PENDING')
    .where(sql<boolean>`not ${isReplayed(due)}`)
    .executeTakeFirst();
  return numUpdatedRows > 0;
}
