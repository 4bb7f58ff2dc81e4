import { WebSocket } from 'ws';
import type { Caller } from '../auth/caller.ts';
import type { Following } from '../auth/standings.ts';
import type { Outlet, Outlets } from '../progress/outlet.ts';
import type { Membership, Subscriber } from '../progress/subscriber.ts';
import type { Context } from './context.ts';
import { createDelivery, type Delivery, encodeId, frameOf } from './delivery.ts';
import { type LiveStreams, locate } from './live-streams.ts';
import type { OpenedSubscription, Place } from './source-streams.ts';

/** One socket: who it belongs to once it is acknowledged, and what runs on it. */
export interface Session extends Outlet {
  readonly socket: WebSocket;
  caller: Caller | null;
  /** Its caller's standing, once it is acknowledged. */
  following: Following | undefined;
  /** By their ids, from the first message about them until the library is through with them. */
  readonly operations: Map<string, SocketOperation>;
}

export interface SocketOperation {
  readonly context: Context;
  /** Of a subscription that is being pushed to. */
  membership: Membership | undefined;
}

interface Starting {
  readonly session: Session;
  readonly id: string;
  readonly operation: SocketOperation;
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
  readonly operation: SocketOperation;
  readonly place: Place;
  readonly ended: PromiseWithResolvers<IteratorReturnResult<undefined>>;
  /** Until it is joined. */
  subscription: OpenedSubscription | undefined;
  hasBegun: boolean;
}

/**
 * A subscription as graphql-ws takes it. It never yields: results are written to the socket as ready frames. It ends after the
 * last one, for which the library then sends `complete`; and when the client completes it or has gone.
 */
export function runSubscription(
  { session, id, operation, subscription }: Starting,
  streaming: Streaming,
): AsyncIterableIterator<never, undefined> {
  return iterate(streaming, {
    session,
    id: encodeId(id),
    operation,
    place: subscription.source.place,
    ended: Promise.withResolvers(),
    subscription,
    hasBegun: false,
  });
}

function iterate(streaming: Streaming, running: Running): AsyncIterableIterator<never, undefined> {
  return {
    next: () => {
      const { subscription, operation } = running;
      running.subscription = undefined;
      if (!isOpen(running.session)) running.ended.resolve(over);
      else if (subscription !== undefined) {
        operation.membership = streaming.streams.join(subscription, subscriberOf(streaming, running), operation);
      }
      return running.ended.promise;
    },
    return: async () => {
      running.operation.membership?.leave();
      running.ended.resolve(over);
      return over;
    },
    [Symbol.asyncIterator]: returnThis,
  };
}

function subscriberOf({ outlets }: Streaming, running: Running): Subscriber<Delivery> {
  const { session, ended, operation } = running;
  return {
    send: (delivery) => {
      const { membership } = operation;
      if (!isOpen(session) || membership === undefined || !outlets.accepts(session, membership)) return false;
      running.hasBegun = true;
      outlets.write(session, frameOf(delivery, running.id, operation.context));
      return true;
    },
    end: (error) => {
      if (error !== undefined && running.hasBegun) return ended.reject(error);
      if (error !== undefined && isOpen(session)) {
        const failed = createDelivery({ errors: [locate(error, running.place)] }, null);
        outlets.write(session, frameOf(failed, running.id, operation.context));
      }
      ended.resolve(over);
    },
  };
}

/** Nothing may follow a close frame. */
function isOpen({ socket }: Session): boolean {
  return socket.readyState === WebSocket.OPEN;
}

/** Ends what is pushed to a socket that has closed. The library does so too, but loses sight of ids that were used twice. */
export function endSession({ operations }: Session): void {
  for (const { membership } of operations.values()) membership?.leave();
  operations.clear();
}

function returnThis<Self>(this: Self): Self {
  return this;
}

const over: IteratorReturnResult<undefined> = { done: true, value: undefined };
