import { WebSocket } from 'ws';
import type { Caller } from '../auth/caller.ts';
import type { Outlet, Outlets } from '../progress/outlet.ts';
import type { Membership, Subscriber } from '../progress/subscriber.ts';
import type { Context } from './context.ts';
import { createDelivery, type Delivery, encodeId, frameOf } from './delivery.ts';
import { type LiveStreams, locate } from './live-streams.ts';
import type { OpenedSubscription } from './source-streams.ts';

/** One socket: who it belongs to once it is acknowledged, and the context of each operation that runs on it. */
export interface Session extends Outlet {
  readonly socket: WebSocket;
  caller: Caller | null;
  readonly contexts: Map<string, Context>;
}

interface Operation {
  readonly session: Session;
  readonly id: string;
  readonly context: Context;
  readonly subscription: OpenedSubscription;
}

/**
 * A subscription as graphql-ws takes it. It never yields: results are written to the socket as ready frames. It ends after the
 * last one, for which the library then sends `complete`; and when the client completes it or has gone.
 */
export function runSubscription(
  { session, id, context, subscription }: Operation,
  { streams, outlets }: { readonly streams: LiveStreams; readonly outlets: Outlets<Session> },
): AsyncIterableIterator<never, undefined> {
  const encodedId = encodeId(id);
  const ended = Promise.withResolvers<IteratorReturnResult<undefined>>();
  let membership: Membership | undefined;
  let hasBegun = false;
  const isOpen = () => session.socket.readyState === WebSocket.OPEN;
  const write = (delivery: Delivery) => outlets.write(session, frameOf(delivery, encodedId, context));
  const subscriber: Subscriber<Delivery> = {
    send: (delivery) => {
      // The library ends the operations of a socket that closes.
      if (!isOpen() || membership === undefined) return false;
      if (!outlets.accepts(session, membership)) return false;
      hasBegun = true;
      write(delivery);
      return true;
    },
    end: (error) => {
      if (error !== undefined && hasBegun) return ended.reject(error);
      if (error !== undefined && isOpen())
        write(createDelivery({ errors: [locate(error, subscription.source)] }, null));
      ended.resolve(over);
    },
  };
  return {
    next: () => {
      membership ??= streams.join(subscription, subscriber, { context });
      return ended.promise;
    },
    return: async () => {
      membership?.leave();
      ended.resolve(over);
      return over;
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

const over: IteratorReturnResult<undefined> = { done: true, value: undefined };
