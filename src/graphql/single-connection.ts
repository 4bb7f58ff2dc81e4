import type { FastifyReply, FastifyRequest } from 'fastify';
import { type ExecutionResult, GraphQLError } from 'graphql';
import { unauthenticated } from '../auth/caller.ts';
import type { Following } from '../auth/standings.ts';
import { badInput, ClientError } from '../errors.ts';
import type { EventStream, EventStreams } from '../event-stream.ts';
import type { Membership } from '../progress/subscriber.ts';
import type { Context } from './context.ts';
import { completeEventOf, createDelivery, type Delivery, operationEventOf } from './delivery.ts';
import { type Executing, type PreparedOperation, prepareOperation } from './http-operation.ts';
import type { Params } from './http-params.ts';
import { type LiveStreams, locate } from './live-streams.ts';
import { type Reservation, type Reservations, tooMany } from './reservations.ts';
import type { OpenedSubscription } from './source-streams.ts';

/** The door of graphql-sse's single connection mode: one event stream carries what many operations bring. */
export interface SingleConnection extends Executing {
  readonly streams: LiveStreams;
  readonly events: EventStreams;
  readonly reservations: Reservations;
}

/** An operation that was accepted. */
interface Running {
  readonly id: string;
  readonly context: Context;
  readonly reservation: Reservation;
}

const tokenHeader = 'x-graphql-event-stream-token';
const maxOperations = 1_000;
const maxIdLength = 128;
const ended = Buffer.from(': ended\n\n');

/** The token of a request in this mode. */
export function readStreamToken({ headers, query }: FastifyRequest): string | undefined {
  const given = headers[tokenHeader] ?? parameterOf(query, 'token');
  return typeof given === 'string' && given !== '' ? given : undefined;
}

/** PUT: 201 with a token as plain text. */
export function answerReservation({ reservations }: SingleConnection, reply: FastifyReply, { caller }: Context) {
  return reply.code(201).type('text/plain; charset=utf-8').send(reservations.reserve(caller).token);
}

/** GET: opens the stream of a reservation. It ends with its caller's standing, each operation with UNAUTHENTICATED. */
export function openReservedStream(
  { events, reservations }: SingleConnection,
  { token, reply, context }: { readonly token: string; readonly reply: FastifyReply; readonly context: Context },
): void {
  const reservation = reservations.claim(token, context.caller);
  let following: Following | undefined;
  const stream = events.open(reply, () => {
    following?.stop();
    reservations.release(reservation);
  });
  if (stream.response.closed) return;
  reservation.opened.resolve(stream);
  following = context.deps.auth.standings.follow(reservation.caller, {
    expiring: (expiresAt) => events.write(stream, Buffer.from(`: expires at ${expiresAt.toISOString()}\n\n`)),
    lost: () => {
      for (const id of reservation.operations.keys()) {
        const failed = createDelivery({ errors: [wrap(unauthenticated())] }, null);
        events.write(stream, operationEventOf(failed, id, context));
        events.write(stream, completeEventOf(id));
      }
      reservations.release(reservation);
      events.end(stream, ended);
    },
  });
}

/** POST or GET with a document: 202, and the results go to the stream. What may not run is returned as its errors, as anywhere. */
export function startOperation(
  door: SingleConnection,
  asked: { readonly token: string; readonly method: string; readonly params: Params; readonly context: Context },
): { readonly errors: readonly GraphQLError[] } | undefined {
  const { token, params, context } = asked;
  const reservation = door.reservations.find(token, context.caller);
  const id = params.extensions?.operationId;
  if (typeof id !== 'string' || id === '' || id.length > maxIdLength) {
    const expected = `Expected extensions.operationId, a string of 1 to ${maxIdLength} characters`;
    throw badInput(['extensions', 'operationId'], 'REQUIRED', expected);
  }
  if (reservation.operations.has(id)) throw new ClientError('DUPLICATE_FOUND', 'An operation of this id runs already');
  if (reservation.operations.size >= maxOperations) throw tooMany(`${maxOperations} operations run already`);
  const prepared = prepareOperation(door, asked);
  if ('errors' in prepared) return prepared;
  const { deps, caller, requestId, transport } = context;
  // Only this of the context: nothing of the request is to stay with what runs on.
  const running = { id, reservation, context: { deps, caller, requestId, transport } };
  reservation.operations.set(id, () => undefined);
  run(door, prepared, running).catch((error: unknown) => fail(door, running, error));
  return undefined;
}

/** DELETE: ends an operation; 200 as well when it has ended by itself meanwhile. */
export function stopOperation({ reservations }: SingleConnection, request: FastifyRequest, { caller }: Context): void {
  const token = readStreamToken(request);
  const id = parameterOf(request.query, 'operationId');
  if (token === undefined || typeof id !== 'string') {
    throw badInput([], 'REQUIRED', `Expected the token as ${tokenHeader}, and the parameter operationId`);
  }
  const { operations } = reservations.find(token, caller);
  operations.get(id)?.();
  operations.delete(id);
}

async function run(door: SingleConnection, prepared: PreparedOperation, running: Running): Promise<void> {
  const { reservation } = running;
  if (prepared.kind !== 'subscription') {
    const result = await prepared.run();
    finish(door, running, await reservation.opened.promise, result);
    return;
  }
  const stream = await reservation.opened.promise;
  if (stream === undefined || !isRunning(running)) return;
  const subscription = await prepared.open();
  if ('source' in subscription) join(door, running, stream, subscription);
  else finish(door, running, stream, subscription);
}

function join(door: SingleConnection, running: Running, stream: EventStream, subscription: OpenedSubscription): void {
  if (!isRunning(running)) return;
  const { events, streams } = door;
  const { id, context, reservation } = running;
  let membership: Membership | undefined;
  const send = (delivery: Delivery) => {
    if (membership === undefined || !events.accepts(stream, membership)) return false;
    events.write(stream, operationEventOf(delivery, id, context));
    return true;
  };
  const end = (error?: unknown) => {
    finish(
      door,
      running,
      stream,
      error === undefined ? undefined : { errors: [locate(error, subscription.source.place)] },
    );
  };
  membership = streams.join(subscription, { send, end }, { context });
  reservation.operations.set(id, membership.leave);
}

/** Sends the last result, if there is one, and `complete`. */
function finish(door: SingleConnection, running: Running, stream: EventStream | undefined, last?: ExecutionResult) {
  if (stream === undefined || !isRunning(running)) return;
  const { id, context, reservation } = running;
  if (last !== undefined) door.events.write(stream, operationEventOf(createDelivery(last, null), id, context));
  door.events.write(stream, completeEventOf(id));
  reservation.operations.delete(id);
}

async function fail(door: SingleConnection, running: Running, error: unknown): Promise<void> {
  finish(door, running, await running.reservation.opened.promise, { errors: [wrap(error)] });
}

function isRunning({ id, reservation }: Running): boolean {
  return reservation.operations.has(id);
}

function wrap(cause: unknown): GraphQLError {
  const originalError = cause instanceof Error ? cause : new Error('not an error', { cause });
  return new GraphQLError(originalError.message, { originalError });
}

function parameterOf(query: unknown, name: string): unknown {
  return new Map<string, unknown>(Object.entries(Object(query))).get(name);
}
