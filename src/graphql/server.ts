import type { FastifyInstance } from 'fastify';
import type { GatewayDeps } from '../deps.ts';
import { openEventStreams } from '../event-stream.ts';
import { type StreamLimits, streamLimits } from '../lifetimes.ts';
import { createDocuments } from './documents.ts';
import { serveHttp } from './http.ts';
import { openLiveStreams } from './live-streams.ts';
import { openReservations } from './reservations.ts';
import { buildSchema } from './schema.ts';
import { readTrustedDocuments } from './trusted-documents.ts';
import { openSockets } from './websocket.ts';
import { openYoga } from './yoga.ts';

/**
 * Opens the GraphQL door at `/graphql`: HTTP, server-sent events, uploads, GraphiQL and WebSocket. `stop` ends what is
 * streamed, so that clients come back to another gateway (1012 on a WebSocket), and may be called twice.
 */
export async function registerGraphql(
  server: FastifyInstance,
  deps: GatewayDeps,
  limits: Partial<StreamLimits> = {},
): Promise<{ stop(): Promise<void> }> {
  const schema = buildSchema(deps.engine.operations);
  const path = deps.config.BULKCAST_TRUSTED_DOCUMENTS;
  const trusted = path === undefined ? undefined : await readTrustedDocuments(path);
  const documents = createDocuments(schema, trusted);
  const reservations = openReservations();
  const yoga = openYoga(schema, documents);
  const streams = openLiveStreams(deps);
  const bounds = { ...streamLimits(deps.config), ...limits };
  const events = openEventStreams(deps.log, bounds);
  const enveloped = yoga.getEnveloped();
  const door = { deps, yoga, enveloped, documents, streams, events, reservations };
  await server.register(async (scope) => serveHttp(scope, door));
  const sockets = openSockets(server.server, { deps, schema, documents, streams, ...bounds });
  return {
    async stop() {
      await Promise.all([events.stop(), sockets.stop()]);
    },
  };
}
