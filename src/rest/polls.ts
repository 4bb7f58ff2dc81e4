import type { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { GatewayDeps } from '../deps.ts';
import type { Snapshot } from '../tasks/snapshot.ts';
import { matchesTag, namesTag } from './entity-tags.ts';
import { type PollBodies, retryAfterOf, tagOf } from './poll-bodies.ts';
import { readWait } from './prefer.ts';

/** What is polled: a task, as one wire model tells it to one kind of caller. */
export interface Polled {
  readonly task: Snapshot;
  readonly isConfined: boolean;
  readonly bodies: PollBodies;
}

export const pollCaching = 'private, no-cache';
export const pollType = 'application/json; charset=utf-8';

/** Tells in the answer to a start where its task is polled. */
export function tellPoll(reply: FastifyReply, { publicUrl }: Pick<GatewayDeps, 'publicUrl'>, path: string): void {
  const url = publicUrl() + path;
  reply.header('location', url).header('operation-location', url);
}

/** Tells when the client has gone, or has its answer. */
export function whenGone(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort());
  return gone.signal;
}

/** With `Prefer: wait=N`, the task as soon as it is newer than what the client has (by its `If-None-Match`, else than now), or
 *  as it is N seconds later. Undefined when nothing of the kind is preferred. */
export async function waitAsPreferred(
  request: FastifyRequest,
  reply: FastifyReply,
  deps: Pick<GatewayDeps, 'polled'>,
  { task, isConfined }: Omit<Polled, 'bodies'>,
): Promise<Snapshot | undefined> {
  const seconds = readWait(request.headers.prefer);
  if (seconds === undefined) return undefined;
  reply.header('preference-applied', `wait=${seconds}`);
  const given = request.headers['if-none-match'];
  const isKnown = (version: Snapshot) => namesTag(given, tagOf(version, isConfined));
  const namesVersions = given !== undefined && given.trim() !== '*';
  const isEnough = (newer: Snapshot) => (namesVersions ? !isKnown(newer) : newer.version > task.version);
  if (isEnough(task)) return task;
  return deps.polled.wait(task, isEnough, { ms: seconds * 1000, signal: whenGone(reply) });
}

/**
 * Answers a poll: the version is its ETag, 304 goes to a client that has that version, and one that has to ask again is told
 * when. `own` takes the place of the shared body: what this request alone asked for, or what is too large to be held.
 */
export async function answerPoll(
  request: FastifyRequest,
  reply: FastifyReply,
  { task, isConfined, bodies }: Polled,
  own?: () => Promise<object | Readable>,
): Promise<FastifyReply> {
  const tag = tagOf(task, isConfined);
  const retryAfter = retryAfterOf(task);
  const canConfirm = bodies.validity(task).copiesUntil > Date.now();
  const hasIt = canConfirm && matchesTag(request.headers['if-none-match'], tag);
  const body = hasIt ? undefined : await (own?.() ?? bodies.make(task, isConfined).then(({ text }) => text));
  reply.header('etag', tag).header('cache-control', pollCaching);
  if (retryAfter !== null) reply.header('retry-after', retryAfter);
  return hasIt ? reply.code(304).send() : reply.type(pollType).send(body);
}
