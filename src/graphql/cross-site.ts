import type { FastifyReply, FastifyRequest } from 'fastify';
import { ClientError } from '../errors.ts';

/** Which web origins may read what `/graphql` answers: all of them (`*`), or these. */
export type CorsOrigins = '*' | readonly string[];

export const allowedMethods = 'GET, POST, PUT, DELETE, OPTIONS';

const exposedHeaders = 'x-request-id, x-resumed-after, retry-after, ratelimit, ratelimit-policy';
/** A browser asks a server first before it lets another site's page send one of these. */
const preflightHeaders = [
  'apollo-require-preflight',
  'graphql-require-preflight',
  'x-apollo-operation-name',
  'x-graphql-yoga-csrf',
];
const siteOfOurOwn = ['same-origin', 'none'];

/** Tells a browser whether the page that asked may read the answer. No cookie is ever read, so that there is nothing to share. */
export function allowOrigin({ headers }: FastifyRequest, reply: FastifyReply, origins: CorsOrigins): void {
  if (origins !== '*') reply.header('vary', 'origin');
  const allowed = origins === '*' ? '*' : origins.find((origin) => origin === headers.origin);
  if (allowed === undefined) return;
  reply.header('access-control-allow-origin', allowed).header('access-control-expose-headers', exposedHeaders);
}

/** The answer to a preflight. */
export function answerPreflight({ headers }: FastifyRequest, reply: FastifyReply): FastifyReply {
  return reply
    .code(204)
    .header('access-control-allow-methods', allowedMethods)
    .header('access-control-allow-headers', headers['access-control-request-headers'] ?? 'content-type')
    .header('access-control-max-age', '86400')
    .send();
}

/**
 * Throws FORBIDDEN for a GET or form that a page of another site made a browser send without asking first. What carries
 * credentials was asked for, as they are headers of their own.
 */
export function refuseCrossSite({ headers }: FastifyRequest): void {
  const contentType = headers['content-type']?.toLowerCase() ?? '';
  const isAskedFor = contentType.startsWith('application/json') || preflightHeaders.some((name) => headers[name]);
  if (isAskedFor || !isFromElsewhere(headers)) return;
  const remedy = 'Send Content-Type: application/json or GraphQL-Require-Preflight: 1';
  throw new ClientError('FORBIDDEN', `A page of another site may have caused this request. ${remedy}`);
}

function isFromElsewhere({ 'sec-fetch-site': site, origin, host }: FastifyRequest['headers']): boolean {
  if (typeof site === 'string') return !siteOfOurOwn.includes(site);
  return origin !== undefined && (!URL.canParse(origin) || new URL(origin).host !== host);
}
