import type { IncomingHttpHeaders } from 'node:http';

/** The key of an `Idempotency-Key` header: a quoted string of RFC 8941, as the IETF draft has it, or the plain text that most
 *  clients send. */
export function readIdempotencyKey(headers: IncomingHttpHeaders): string | undefined {
  const header = headers['idempotency-key'];
  if (typeof header !== 'string') return undefined;
  const quoted = /^"((?:[^"\\]|\\["\\])*)"$/.exec(header.trim())?.[1];
  return quoted === undefined ? header : quoted.replace(/\\(.)/g, '$1');
}
