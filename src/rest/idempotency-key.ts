import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { StartRequest } from '../tasks/start.ts';

/** The key of an `Idempotency-Key` header: a quoted string of RFC 8941, as the IETF draft has it, or the plain text that most
 *  clients send. */
export function readIdempotencyKey(headers: IncomingHttpHeaders): string | undefined {
  const header = headers['idempotency-key'];
  if (typeof header !== 'string') return undefined;
  const quoted = /^"((?:[^"\\]|\\["\\])*)"$/.exec(header.trim())?.[1];
  return quoted === undefined ? header : quoted.replace(/\\(.)/g, '$1');
}

/** What a start is told of the request's key; the answer tells in `Idempotency-Key-Expires` until when it stands. */
export function idempotencyOf(
  request: FastifyRequest,
  reply: FastifyReply,
): Pick<StartRequest, 'idempotencyKey' | 'keyKept'> {
  return {
    idempotencyKey: readIdempotencyKey(request.headers),
    keyKept: (until) => reply.header('idempotency-key-expires', until.toUTCString()),
  };
}
