import { WebSocket } from 'ws';
import type { Caller } from '../auth/caller.ts';
import type { Following } from '../auth/standings.ts';
import type { Outlet, Outlets } from '../progress/outlet.ts';
import type { Membership, Subscriber } from '../progress/subscriber.ts';
import type { Context } from './context.ts';
import { createDelivery, type Delivery, encodeId, frameOf } from './delivery.ts';
import { type LiveStreams, locate } from './live-streams.ts';
import type { OpenedSubscription, SourceStream } from './source-streams.ts';

/** One socket: who it belongs to once it is acknowledged, and the context of each operation that runs on it. */
export interface Session extends Outlet {
  readonly socket: WebSocket;
  caller: Caller | null;
  /** Its caller's standing, once it is acknowledged. */
  following: Following | undefined;
  readonly contexts: Map<string, Context>;
}

interface Operation {
  readonly session: Session;
  readonly id: string;
  readonly context: Context;
  readonly subscription: OpenedSubscription;
}

interface Streaming {
  readonly streams: LiveStreams;
  readonly outlets: Outlets<Session>;
}

/** What is kept of an operation that runs: there are as many as there are subscribers. */
interface Running {
  readonly session: Session;
  /** As `frameOf` takes it. */
  readonly id: string;
  readonly context: Context;
  readonly source: SourceStream;
  readonly ended: PromiseWithResolvers<IteratorReturnResult<undefined>>;
  /** Until it is joined. */
  subscription: OpenedSubscription | undefined;
  membership: Membership | undefined;
  hasBegun: boolean;
}

/**
 * A subscription as graphql-ws takes it. It never yields: results are written to the socket as ready frames. It ends after the
 * last one, for which the library then sends `complete`; and when the client completes it or has gone.
 */
export function runSubscription(
  { session, id, context, subscription }: Operation,
  streaming: Streaming,
): AsyncIterableIterator<never, undefined> {
  return iterate(streaming, {
    session,
    id: encodeId(id),
    context,
    source: subscription.source,
    ended: Promise.withResolvers(),
    subscription,
    membership: undefined,
    hasBegun: false,
  });
}

function iterate(streaming: Streaming, running: Running): AsyncIterableIterator<never, undefined> {
  return {
    next: () => {
      const { subscription, context } = running;
      running.subscription = undefined;
      if (subscription !== undefined) {
        running.membership = streaming.streams.join(subscription, subscriberOf(streaming, running), { context });
      }
      return running.ended.promise;
    },
    return: async () => {
      running.membership?.leave();
      running.ended.resolve(over);
      return over;
    },
    [Symbol.asyncIterator]: returnThis,
  };
}

function subscriberOf({ outlets }: Streaming, running: Running): Subscriber<Delivery> {
  const { session, ended } = running;
  return {
    send: (delivery) => {
      const { membership } = running;
      if (!isOpen(session) || membership === undefined || !outlets.accepts(session, membership)) return false;
      running.hasBegun = true;
      outlets.write(session, frameOf(delivery, running.id, running.context));
      return true;
    },
    end: (error) => {
      if (error !== undefined && running.hasBegun) return ended.reject(error);
      if (error !== undefined && isOpen(session)) {
        const failed = createDelivery({ errors: [locate(error, running.source)] }, null);
        outlets.write(session, frameOf(failed, running.id, running.context));
      }
      ended.resolve(over);
    },
  };
}

/** The library ends the operations of a socket that closes; until then nothing more may follow the close frame. */
function isOpen({ socket }: Session): boolean {
  return socket.readyState === WebSocket.OPEN;
}

function returnThis<Self>(this: Self): Self {
  return this;
}

const over: IteratorReturnResult<undefined> = { done: true, value: undefined };
