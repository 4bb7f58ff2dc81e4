import type { IncomingMessage } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { ClientError } from './errors.ts';

/** How long the rest of a body is read and thrown away so that its sender gets to see the answer. */
const lingerMs = 5_000;

/** Nesting that no client needs; deeper values would overflow the stack of whoever walks them. */
const maxDepth = 64;

/** Throws BAD_USER_INPUT for a JSON text that nests deeper than 64 levels. */
export function checkDepth(text: string): void {
  let depth = 0;
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charCodeAt(index);
    if (character === 0x22) index = endOfString(text, index);
    // `[` and `{`, then `]` and `}`: they differ in this bit alone.
    else if ((character | 0x20) === 0x7b) depth += 1;
    else if ((character | 0x20) === 0x7d) depth -= 1;
    if (depth > maxDepth) throw tooDeep();
  }
}

/** Where the string that begins at `start` ends; where it does not, beyond the text. */
function endOfString(text: string, start: number): number {
  let index = start + 1;
  while (index < text.length) {
    const character = text.charCodeAt(index);
    if (character === 0x22) return index;
    index += character === 0x5c ? 2 : 1;
  }
  return index;
}

function tooDeep(): ClientError {
  const message = `The JSON nests deeper than ${maxDepth} levels`;
  return new ClientError('BAD_USER_INPUT', message, { issues: [{ path: [], code: 'TOO_DEEP', message }] });
}

/** Throws away what is left of a body for a few seconds, and closes the connection if that was not enough. */
export function discardBody(request: IncomingMessage): void {
  if (request.readableEnded || request.destroyed) return;
  const timer = setTimeout(() => request.destroy(), lingerMs).unref();
  request.once('close', () => clearTimeout(timer)).once('end', () => clearTimeout(timer));
  request.resume();
}

/** A body, files aside, of which nothing comes for `stallMs` is answered with REQUEST_TIMEOUT instead of being waited for. */
export function boundStalls(server: FastifyInstance, stallMs: number): void {
  const awaited = new WeakSet<IncomingMessage>();
  server.addHook('preParsing', (request, reply, _payload, done) => {
    // Most bodies have come by now, with their heads.
    if (!request.raw.complete) {
      awaited.add(request.raw);
      request.raw.setTimeout(stallMs, () => {
        reply.send(new ClientError('REQUEST_TIMEOUT', `Nothing of the body came for ${stallMs} ms`));
      });
    }
    done();
  });
  server.addHook('preValidation', (request, _reply, done) => {
    if (awaited.has(request.raw)) request.raw.setTimeout(0);
    done();
  });
}
