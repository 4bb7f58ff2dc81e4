import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { ClientError } from './errors.ts';

/** How long the rest of a body is read and thrown away so that its sender gets to see the answer. */
const lingerMs = 5_000;

/** Nesting that no client needs; deeper values would overflow the stack of whoever walks them. */
const maxDepth = 64;

/** Throws BAD_USER_INPUT for a JSON text that must not be parsed: one that nests deeper than 64 levels, or has a key with a backslash. */
export function checkJson(text: string): void {
  let depth = 0;
  let backslash = text.indexOf('\\');
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charCodeAt(index);
    if (character === 0x22) {
      const end = endOfString(text, index);
      if (backslash !== -1 && backslash < index) backslash = text.indexOf('\\', index);
      if (backslash !== -1 && backslash < end) checkKey(text, index, end);
      index = end;
    }
    // `[` and `{`, then `]` and `}`: they differ in this bit alone.
    else if ((character | 0x20) === 0x7b) depth += 1;
    else if ((character | 0x20) === 0x7d) depth -= 1;
    if (depth > maxDepth) throw tooDeep();
  }
}

/** Once V8 has read a key with a backslash, it may take a later key with any escape for that one, in all requests of the process: issue
 *  63785 of nodejs/node. No key of ours has one, and metadata can do without. */
function checkKey(text: string, start: number, end: number): void {
  colon.lastIndex = end + 1;
  if (colon.test(text) && writtenBackslash.test(text.slice(start, end))) throw badKey();
}

const colon = /\s*:/y;
const writtenBackslash = /\\(?:\\|u005c)/i;

function badKey(): ClientError {
  const message = 'A key in the JSON holds a backslash, which is not taken';
  return new ClientError('BAD_USER_INPUT', message, { issues: [{ path: [], code: 'INVALID_KEY', message }] });
}

/** Where the string that begins at `start` ends; where it does not, beyond the text. */
function endOfString(text: string, start: number): number {
  let index = text.indexOf('"', start + 1);
  while (index >= 0 && isEscaped(text, index)) index = text.indexOf('"', index + 1);
  return index < 0 ? text.length : index;
}

/** By an odd number of backslashes; looked at once for each quote. */
function isEscaped(text: string, index: number): boolean {
  let before = index;
  while (text.charCodeAt(before - 1) === 0x5c) before -= 1;
  return (index - before) % 2 === 1;
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

/** What must come of a body while it may stall. */
const leastBytes = 16_384;

/** So often, while it may stall, one timer looks at all bodies that are on their way. */
const looks = 4;

interface Arriving {
  readonly reply: FastifyReply;
  /** Bytes of its connection that were read, and the looks there were since. */
  seen: number | undefined;
  looks: number;
}

/** A body, files aside, whose next 16 KiB take longer than `stallMs` is answered with REQUEST_TIMEOUT instead of being waited for. */
export function boundStalls(server: FastifyInstance, stallMs: number): void {
  const arriving = new Map<IncomingMessage, Arriving>();
  const timer = setInterval(() => {
    for (const [raw, body] of arriving) if (isOver(raw, body, stallMs)) arriving.delete(raw);
  }, stallMs / looks).unref();
  server.addHook('onClose', (_instance, done) => {
    clearInterval(timer);
    done();
  });
  server.addHook('preParsing', ({ raw }, reply, _payload, done) => {
    if (!raw.complete) arriving.set(raw, { reply, seen: undefined, looks: 0 });
    done();
  });
  server.addHook('preValidation', ({ raw }, _reply, done) => {
    arriving.delete(raw);
    done();
  });
}

function isOver(raw: IncomingMessage, body: Arriving, stallMs: number): boolean {
  const { reply, seen } = body;
  if (raw.complete || raw.destroyed || reply.sent) return true;
  const came = seen === undefined ? leastBytes : raw.socket.bytesRead - seen;
  body.looks += 1;
  if (came >= leastBytes) Object.assign(body, { seen: raw.socket.bytesRead, looks: 0 });
  if (body.looks < looks) return false;
  reply.send(new ClientError('REQUEST_TIMEOUT', `Only ${came} bytes of the body came in ${stallMs} ms`));
  return true;
}
