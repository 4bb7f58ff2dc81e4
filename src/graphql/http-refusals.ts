import type { FastifyReply } from 'fastify';
import { GraphQLError } from 'graphql';
import { ClientError, toClientError } from '../errors.ts';
import { discardBody } from '../request-body.ts';
import type { Context } from './context.ts';
import { errorBody } from './errors.ts';
import { statusOfGraphqlError } from './http-results.ts';
import { negotiate } from './media-types.ts';

/** Answers `{"errors": […]}`, and reads on for a moment so that a client that is still sending gets to see it. */
export function sendRefusal(reply: FastifyReply, status: number, error: unknown, context: Context): FastifyReply {
  const { raw } = reply.request;
  if (status === 401) reply.header('www-authenticate', 'Bearer');
  if (status === 503) reply.header('retry-after', '1');
  if (error instanceof ClientError && error.retryAfter !== undefined) {
    reply.header('retry-after', String(error.retryAfter));
  }
  // Fastify would close at once, which can take the answer away from a client that is still sending.
  reply.removeHeader('connection');
  discardBody(raw);
  const type = negotiate(reply.request.headers.accept) ?? 'application/json';
  return reply
    .code(status)
    .type(`${type}; charset=utf-8`)
    .send(JSON.stringify(errorBody(error, context)));
}

/** The status of what was thrown before an operation ran. */
export function statusOfError(error: unknown): number {
  const known = toClientError(error);
  if (known !== undefined) return known.status;
  return error instanceof GraphQLError ? statusOfGraphqlError(error) : 500;
}

/** What Fastify itself refuses while it reads a body, as the client's error that it is; anything else as it was. */
export function fromFramework(error: unknown): unknown {
  if (error instanceof ClientError || !(error instanceof Error) || !('statusCode' in error)) return error;
  const cause = { cause: error };
  switch (error.statusCode) {
    case 400:
      return new ClientError('BAD_USER_INPUT', `The body cannot be read: ${error.message}`, cause);
    case 413:
      return new ClientError('PAYLOAD_TOO_LARGE', 'The body is too large', cause);
    case 415:
      return new ClientError('UNSUPPORTED_MEDIA_TYPE', 'Expected application/json or multipart/form-data', cause);
    default:
      return error;
  }
}
