import type { FastifyReply, FastifyRequest } from 'fastify';
import { unauthenticated } from '../auth/caller.ts';
import type { Following } from '../auth/standings.ts';
import type { EventStreams } from '../event-stream.ts';
import type { Membership } from '../progress/subscriber.ts';
import type { Context } from './context.ts';
import { createDelivery, type Delivery, eventOf } from './delivery.ts';
import { type LiveStreams, locate } from './live-streams.ts';
import type { OpenedSubscription } from './source-streams.ts';

interface Operation {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly context: Context;
  readonly subscription: OpenedSubscription;
}

const complete = Buffer.from('event: complete\ndata:\n\n');

/**
 * Answers with server-sent events as graphql-sse does: `next` for each result, then `complete`. A result of `bulkTask` has its
 * version as its id: a client that comes back with `Last-Event-ID` goes on after it. Tells UNAUTHENTICATED when the caller
 * loses its standing; a comment says so 30 s before a token ends.
 */
export function streamEvents(
  { request, reply, context, subscription }: Operation,
  { streams, events }: { readonly streams: LiveStreams; readonly events: EventStreams },
): void {
  const { source } = subscription;
  const afterVersion = source.kind === 'task' ? readLastEventId(request) : undefined;
  if (afterVersion !== undefined) reply.header('x-resumed-after', afterVersion);
  let membership: Membership | undefined;
  let following: Following | undefined;
  const stream = events.open(reply, () => {
    membership?.leave();
    following?.stop();
  });
  if (stream.response.closed) return;
  const end = (error?: unknown) => {
    if (error !== undefined) {
      const failed = createDelivery({ errors: [locate(error, source.place)] }, null);
      events.write(stream, eventOf(failed, context));
    }
    events.end(stream, complete);
  };
  const send = (delivery: Delivery) => {
    if (membership === undefined || !events.accepts(stream, membership)) return false;
    events.write(stream, eventOf(delivery, context));
    return true;
  };
  membership = streams.join(subscription, { send, end }, { context, afterVersion });
  if (context.caller === null) return;
  const lost = () => {
    membership?.leave();
    end(unauthenticated());
  };
  following = context.deps.auth.standings.follow(context.caller, {
    expiring: (expiresAt) => events.write(stream, Buffer.from(`: expires at ${expiresAt.toISOString()}\n\n`)),
    lost,
  });
}

/** The version in `Last-Event-ID`, which only a browser's EventSource can send as a header; others may as a parameter. */
function readLastEventId({ headers, query }: FastifyRequest): number | undefined {
  const parameters = new Map<string, unknown>(Object.entries(Object(query)));
  const given = [headers['last-event-id'], parameters.get('lastEventId'), parameters.get('last_event_id')];
  const versions = given.filter((text) => typeof text === 'string').filter((text) => /^\d{1,10}$/.test(text));
  return versions.length > 0 ? Math.max(...versions.map(Number)) : undefined;
}
