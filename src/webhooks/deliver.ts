import { Webhook } from 'standardwebhooks';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { DeliveryJob } from '../tasks/delivery-jobs.ts';
import { type DueDelivery, findDue, lockEndpoint, noteOutcome, postpone, recordAttempt } from './attempts.ts';
import { disableEndpoint } from './endpoints.ts';
import { type Outcome, send } from './sender.ts';
import type { Webhooks } from './webhooks.ts';

export interface DeliverDeps extends Webhooks {
  readonly log: Log;
  readonly metrics: Metrics;
}

const timeoutMs = 15_000;
/** An endpoint that has failed so often, and for so long without a success, is disabled. */
const disablingFailures = 10;
const disablingSeconds = 3 * 86_400;

const firstDelaySeconds = 2;
const longestDelaySeconds = 4 * 3600;
const longestPauseSeconds = 300;

/** Makes one attempt and plans the next; an attempt that was made already is not made again. Throws when the database is away, or the
 *  process stops meanwhile: the attempt is then made anew, so that a message may arrive twice. */
export async function deliver(deps: DeliverDeps, job: DeliveryJob, signal: AbortSignal): Promise<'DONE' | 'PAUSED'> {
  const due = await findDue(deps.db, job.deliveryId, job.attempt);
  if (due === undefined) return 'DONE';
  if (due.pausedSeconds !== null) return (await putOff(deps, due, job.attempt)) ? 'PAUSED' : 'DONE';
  const outcome = await attempt(deps, due, signal);
  deps.metrics.webhookAttempts.inc({ outcome: outcome.error ?? 'OK' });
  await settle(deps, due, job.attempt, outcome);
  return 'DONE';
}

/** False when it is not to wait: it was replayed meanwhile, which ended the slow-down. */
async function putOff(deps: DeliverDeps, due: DueDelivery, attempt: number): Promise<boolean> {
  const seconds = jitter(due.pausedSeconds ?? 0);
  return deps.db.transaction().execute(async (tx) => {
    if ((await lockEndpoint(tx, due.endpoint_id)) === undefined) return false;
    const isPutOff = await postpone(tx, due, seconds);
    const afterSeconds = isPutOff ? seconds : 0;
    await deps.deliveries.enqueue(tx, [{ deliveryId: due.id, endpointId: due.endpoint_id, attempt, afterSeconds }]);
    return isPutOff;
  });
}

async function attempt(deps: DeliverDeps, due: DueDelivery, signal: AbortSignal): Promise<Outcome> {
  const { box, networks, log } = deps;
  let secrets: string[];
  try {
    const sealed = due.previousSecret === null ? [due.secret] : [due.secret, due.previousSecret];
    secrets = sealed.map((secret) => box.open(due.endpoint_id, secret));
  } catch (error) {
    log.error('webhook.secret_unreadable', { endpoint: due.endpoint_id, error });
    return { error: 'SECRET_UNREADABLE', status: null, durationMs: 0, answer: null, retryAfterSeconds: null };
  }
  const message = { url: due.url, headers: sign(due, secrets), body: due.body };
  return send(message, { networks, timeoutMs, signal });
}

/** The headers of Standard Webhooks: a signature of each secret, with a space between. */
function sign({ id, body }: DueDelivery, secrets: readonly string[]): Record<string, string> {
  const now = new Date();
  return {
    'content-type': 'application/json',
    'user-agent': 'bulkcast',
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
    'webhook-signature': secrets.map((secret) => new Webhook(secret).sign(id, now, body)).join(' '),
  };
}

async function settle(deps: DeliverDeps, due: DueDelivery, number: number, outcome: Outcome): Promise<void> {
  const { db, log } = deps;
  const { id, endpoint_id: endpointId } = due;
  const settled = await db.transaction().execute(async (tx) => {
    const endpoint = await lockEndpoint(tx, endpointId);
    if (endpoint === undefined) return undefined;
    const asked = Math.min(outcome.retryAfterSeconds ?? 0, longestDelaySeconds);
    const nextSeconds = Math.max(delayAfter(number), jitter(asked));
    const delivery = await recordAttempt(tx, { due, number, nextSeconds }, outcome);
    if (delivery === undefined) return undefined;
    const pause = isOverloaded(outcome)
      ? Math.max(Math.min(delayAfter(endpoint.failures + 1), longestPauseSeconds), asked)
      : 0;
    await noteOutcome(tx, endpointId, outcome.error !== null, pause);
    const reason = outcome.error === null ? undefined : disablingReason(outcome, endpoint);
    if (reason !== undefined) return { state: delivery.state, disabled: await disableEndpoint(tx, endpointId, reason) };
    const afterSeconds = delivery.isReplayed ? 0 : nextSeconds;
    const next = { deliveryId: id, endpointId, attempt: number + 1, afterSeconds };
    if (delivery.state === 'PENDING') await deps.deliveries.enqueue(tx, [next]);
    return { state: delivery.state, disabled: undefined };
  });
  const { error, status, durationMs } = outcome;
  log.debug('webhook.attempted', {
    delivery: id,
    endpoint: endpointId,
    attempt: number,
    ...(error !== null && { error }),
    status,
    ms: durationMs,
  });
  if (settled?.state === 'FAILED') log.info('webhook.given_up', { delivery: id, endpoint: endpointId, error });
  if (settled?.disabled)
    log.warn('webhook.disabled', { endpoint: endpointId, reason: settled.disabled.disabled_reason });
}

function disablingReason(
  { error }: Outcome,
  { failures, failingSeconds }: { readonly failures: number; readonly failingSeconds: number },
): 'GONE' | 'FAILING' | undefined {
  if (error === 'GONE') return 'GONE';
  return failures + 1 >= disablingFailures && failingSeconds >= disablingSeconds ? 'FAILING' : undefined;
}

/** It has more than it can take, or is not there: its other messages would fare no better. */
function isOverloaded({ error, status, retryAfterSeconds }: Outcome): boolean {
  if (error === null) return false;
  if (error === 'TIMEOUT' || error === 'UNREACHABLE' || retryAfterSeconds !== null) return true;
  return status === 429 || status === 502 || status === 503 || status === 504;
}

/** Seconds until the next attempt: 2, 6, 18, … up to four hours, about fourteen attempts in a day. */
function delayAfter(attempts: number): number {
  return jitter(Math.min(firstDelaySeconds * 3 ** (attempts - 1), longestDelaySeconds));
}

/** Up to a fifth more, in whole seconds: those that failed together do not come back together. */
function jitter(seconds: number): number {
  return Math.ceil(seconds * (1 + Math.random() / 5));
}
