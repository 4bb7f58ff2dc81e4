import { randomUUID } from 'node:crypto';
import { GraphQLError } from 'graphql';
import { type Caller, unauthenticated } from '../auth/caller.ts';
import { ClientError } from '../errors.ts';
import type { EventStream } from '../event-stream.ts';

/** The right to one event stream, and to run operations whose results go there (graphql-sse, single connection mode). */
export interface Reservation {
  readonly token: string;
  readonly caller: Caller;
  /** What runs, by the client's id of it: ends it without a word. */
  readonly operations: Map<string, () => void>;
  /** Settled when the stream is there, with undefined when it never came. */
  readonly opened: PromiseWithResolvers<EventStream | undefined>;
  isClaimed: boolean;
}

export interface Reservations {
  /** Throws UNAUTHENTICATED, or TOO_MANY_OPERATIONS. The stream has to come within half a minute. */
  reserve(caller: Caller | null): Reservation;
  /** The reservation of this token, which is good for whoever reserved it only. Throws UNAUTHENTICATED or NOT_FOUND. */
  find(token: string, caller: Caller | null): Reservation;
  /** For its stream, once; the token suffices, as an EventSource cannot send credentials. Throws NOT_FOUND, or DUPLICATE_FOUND
   *  when there is a stream. */
  claim(token: string, caller: Caller | null): Reservation;
  /** Ends all that runs, and forgets it. May be called twice. */
  release(reservation: Reservation): void;
}

const claimMs = 30_000;
const maxOfCaller = 50;

export function openReservations(): Reservations {
  const all = new Map<string, Reservation>();
  const counts = new Map<string, number>();
  const count = (caller: Caller, change: number) => {
    const next = (counts.get(keyOf(caller)) ?? 0) + change;
    if (next === 0) counts.delete(keyOf(caller));
    else counts.set(keyOf(caller), next);
  };
  const get = (token: string, caller: Caller | null) => {
    const found = all.get(token);
    if (found !== undefined && (caller === null || keyOf(caller) === keyOf(found.caller))) return found;
    throw new ClientError('NOT_FOUND', 'There is no reservation of this token: make another one with PUT');
  };
  const release = (reservation: Reservation) => {
    if (!all.delete(reservation.token)) return;
    count(reservation.caller, -1);
    reservation.opened.resolve(undefined);
    for (const end of reservation.operations.values()) end();
    reservation.operations.clear();
  };
  return {
    reserve: (caller) => {
      if (caller === null) throw unauthenticated();
      if ((counts.get(keyOf(caller)) ?? 0) >= maxOfCaller)
        throw tooMany(`There are ${maxOfCaller} reservations already`);
      const token = randomUUID();
      const opened = Promise.withResolvers<EventStream | undefined>();
      const reservation: Reservation = { token, caller, operations: new Map(), opened, isClaimed: false };
      all.set(token, reservation);
      count(caller, 1);
      setTimeout(() => reservation.isClaimed || release(reservation), claimMs).unref();
      return reservation;
    },
    find: (token, caller) => {
      if (caller === null) throw unauthenticated();
      return get(token, caller);
    },
    claim: (token, caller) => {
      const reservation = get(token, caller);
      if (reservation.isClaimed) throw new ClientError('DUPLICATE_FOUND', 'This reservation has a stream already');
      reservation.isClaimed = true;
      return reservation;
    },
    release,
  };
}

/** The refusal of what would be one too many. */
export function tooMany(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'TOO_MANY_OPERATIONS', http: { status: 429 } } });
}

function keyOf({ projectId, kind, name, taskId, scopes }: Caller): string {
  return JSON.stringify([projectId, kind, name, taskId, scopes]);
}
