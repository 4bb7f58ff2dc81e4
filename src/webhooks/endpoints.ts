import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { z } from 'zod';
import type { Database, Tx } from '../db/client.ts';
import type { WebhookEndpointRow } from '../db/webhook-tables.ts';
import { badInput } from '../errors.ts';
import { id, text } from '../tasks/input.ts';
import { isRefusedLiteral, type Networks } from './addresses.ts';
import { taskEventTypes } from './events.ts';
import { makeUpSecret } from './secrets.ts';
import type { Webhooks } from './webhooks.ts';

/** Where a project is told of its tasks, as its owner sees it: without the secret. */
export type Endpoint = Omit<WebhookEndpointRow, 'secret' | 'previous_secret' | 'deleted_at'>;

export const maxEndpoints = 20;
/** How long the secret before signs too, unless the rotation says otherwise. */
const overlapSeconds = 86_400;

const url = text()
  .min(1)
  .max(2_000)
  .describe('Where to POST: https, on the public Internet, without a user name. Redirects are not followed.');
const events = z
  .array(z.enum(taskEventTypes).meta({ id: 'WebhookEventType', description: 'A state that a task enters.' }))
  .min(1)
  .max(100)
  .describe('Which events it is told.');
const description = text().max(1_000).describe('For people, at most 1,000 characters.');

export const createInput = z.object({ url, events, description: description.optional() });
export const updateInput = z.object({
  id: id('The endpoint.'),
  url: url.optional(),
  events: events.optional(),
  description: description.nullable().optional(),
  enabled: z
    .boolean()
    .optional()
    .describe(
      'False: it is told nothing, and what waits for it is given up. True: it is told what happens from now on.',
    ),
});
export const rotateInput = z.object({
  id: id('The endpoint.'),
  overlap_seconds: z
    .int()
    .min(0)
    .max(604_800)
    .default(overlapSeconds)
    .describe('How long the secret before signs too, up to a week; 0 when it has become known.'),
});

type EndpointDeps = Pick<Webhooks, 'db' | 'box' | 'networks'>;

/** An endpoint and its secret, which is shown this once. */
export interface EndpointWithSecret {
  readonly endpoint: Endpoint;
  readonly secret: string;
}

/** Throws BAD_USER_INPUT for a URL that is not taken, and for an endpoint too many. */
export async function createEndpoint(
  { db, box, networks }: EndpointDeps,
  projectId: string,
  input: z.infer<typeof createInput>,
): Promise<EndpointWithSecret> {
  checkUrl(input.url, networks);
  const endpointId = randomUUID();
  const secret = makeUpSecret();
  const endpoint = await db.transaction().execute(async (tx) => {
    // Two that come together must not both be the last.
    await sql`select from projects where id = ${projectId} for no key update`.execute(tx);
    if ((await listEndpoints(tx, projectId)).length >= maxEndpoints) {
      throw badInput([], 'TOO_MANY_ENDPOINTS', `A project has at most ${maxEndpoints} webhook endpoints`);
    }
    return tx
      .insertInto('webhook_endpoints')
      .values({
        id: endpointId,
        project_id: projectId,
        url: input.url,
        events: [...new Set(input.events)],
        description: input.description ?? null,
        secret: box.seal(endpointId, secret),
      })
      .returning(shown)
      .executeTakeFirstOrThrow();
  });
  return { endpoint, secret };
}

/** Changes what is given. To enable clears what was counted against it. Throws BAD_USER_INPUT when it is not there, or for a URL that is
 *  not taken. */
export async function updateEndpoint(
  { db, networks }: EndpointDeps,
  projectId: string,
  { id, url, events, description, enabled }: z.infer<typeof updateInput>,
): Promise<Endpoint> {
  if (url !== undefined) checkUrl(url, networks);
  return db.transaction().execute(async (tx) => {
    const changed = await tx
      .updateTable('webhook_endpoints')
      .set({
        updated_at: sql<Date>`clock_timestamp()`,
        ...(url === undefined ? {} : { url, ...nothingFailed }),
        ...(events === undefined ? {} : { events: [...new Set(events)] }),
        ...(description === undefined ? {} : { description }),
        ...(enabled ? { ...nothingFailed, disabled_at: null, disabled_reason: null } : {}),
      })
      .where('id', '=', asUuid(id))
      .where('project_id', '=', projectId)
      .where('deleted_at', 'is', null)
      .returning(shown)
      .executeTakeFirst();
    if (changed === undefined) throw noEndpoint(id);
    return enabled === false ? ((await disableEndpoint(tx, changed.id, 'REQUESTED')) ?? changed) : changed;
  });
}

/** What an endpoint that works, or is to be tried anew, has against it. */
export const nothingFailed = { failures: 0, failing_since: null, paused_until: null };

/** Tells it nothing more; what waits for it is given up. Nothing when it is disabled already. */
export async function disableEndpoint(
  tx: Tx,
  id: string,
  reason: NonNullable<Endpoint['disabled_reason']>,
): Promise<Endpoint | undefined> {
  const disabled = await tx
    .updateTable('webhook_endpoints')
    .set({ disabled_at: sql<Date>`clock_timestamp()`, disabled_reason: reason })
    .where('id', '=', id)
    .where('disabled_at', 'is', null)
    .returning(shown)
    .executeTakeFirst();
  if (disabled === undefined) return undefined;
  await tx
    .updateTable('webhook_deliveries')
    .set({ state: 'FAILED', completed_at: sql<Date>`clock_timestamp()`, next_attempt_at: null })
    .where('endpoint_id', '=', id)
    .where('state', '=', 'PENDING')
    .execute();
  return disabled;
}

/** A new secret; the one before signs too for a while. Throws BAD_USER_INPUT when the endpoint is not there. */
export async function rotateSecret(
  { db, box }: EndpointDeps,
  projectId: string,
  { id, overlap_seconds: seconds }: z.infer<typeof rotateInput>,
): Promise<EndpointWithSecret> {
  const secret = makeUpSecret();
  const endpointId = asUuid(id);
  const endpoint = await db
    .updateTable('webhook_endpoints')
    .set((eb) => ({
      previous_secret: seconds === 0 ? null : eb.ref('secret'),
      previous_secret_until: seconds === 0 ? null : sql<Date>`clock_timestamp() + make_interval(secs => ${seconds})`,
      secret: box.seal(endpointId, secret),
      updated_at: sql<Date>`clock_timestamp()`,
    }))
    .where('id', '=', endpointId)
    .where('project_id', '=', projectId)
    .where('deleted_at', 'is', null)
    .returning(shown)
    .executeTakeFirst();
  if (endpoint === undefined) throw noEndpoint(id);
  return { endpoint, secret };
}

/** The project's endpoints, oldest first. */
export async function listEndpoints(db: Database | Tx, projectId: string): Promise<Endpoint[]> {
  const all = db.selectFrom('webhook_endpoints').select(shown).where('project_id', '=', projectId);
  return all.where('deleted_at', 'is', null).orderBy('created_at').orderBy('id').execute();
}

/** The project's endpoint; another project's id finds nothing, as an unknown one does. */
export async function findEndpoint(db: Database | Tx, projectId: string, id: string): Promise<Endpoint | undefined> {
  const one = db.selectFrom('webhook_endpoints').select(shown).where('id', '=', asUuid(id));
  return one.where('project_id', '=', projectId).where('deleted_at', 'is', null).executeTakeFirst();
}

export function noEndpoint(id: string) {
  return badInput(['id'], 'NOT_FOUND', `Cannot find webhook endpoint with id ${id.slice(0, 40)}`);
}

/** The id, or one that nothing has. */
export function asUuid(id: string): string {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id) ? id.toLowerCase() : nobody;
}

const nobody = '00000000-0000-0000-0000-000000000000';

/** Its columns as its owner sees it. */
export const shown = [
  'id',
  'project_id',
  'url',
  'events',
  'description',
  'previous_secret_until',
  'created_at',
  'updated_at',
  'failures',
  'failing_since',
  'paused_until',
  'disabled_at',
  'disabled_reason',
] as const;

/** Names are resolved when a message is sent, each time: here only what is wrong for good is refused. */
function checkUrl(given: string, networks: Networks): void {
  const parsed = URL.canParse(given) ? new URL(given) : undefined;
  const isHttp = parsed?.protocol === 'http:' && networks.rules.length > 0;
  // What a parser would take out or turn round: the URL is told as it was given.
  const isPlain = !/[\s\\\p{C}]/u.test(given);
  if (!isPlain || parsed === undefined || (parsed.protocol !== 'https:' && !isHttp)) {
    throw badInput(['url'], 'INVALID', 'Expected a URL https://…');
  }
  if (parsed.username !== '' || parsed.password !== '' || parsed.hash !== '') {
    throw badInput(['url'], 'INVALID', 'Expected a URL without a user name, password or fragment');
  }
  if (isRefusedLiteral(parsed.hostname, networks)) {
    throw badInput(['url'], 'ADDRESS_REFUSED', 'Expected a public address');
  }
}
