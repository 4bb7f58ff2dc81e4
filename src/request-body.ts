import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { ClientError } from './errors.ts';

/** How long the rest of a body is read and thrown away so that its sender gets to see the answer. */
const lingerMs = 5_000;

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
