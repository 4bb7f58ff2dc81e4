import type { IncomingMessage } from 'node:http';
import type { FastifyInstance } from 'fastify';
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

/** A body, files aside, of which nothing comes for `stallMs` is answered with REQUEST_TIMEOUT instead of being waited for. */
export function boundStalls(server: FastifyInstance, stallMs: number): void {
  server.addHook('preParsing', async (request, reply) => {
    request.raw.setTimeout(stallMs, () => {
      reply.send(new ClientError('REQUEST_TIMEOUT', `Nothing of the body came for ${stallMs} ms`));
    });
  });
  server.addHook('preValidation', async (request) => {
    request.raw.setTimeout(0);
  });
}
