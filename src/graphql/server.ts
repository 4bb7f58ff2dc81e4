import type { FastifyInstance } from 'fastify';
import type { GatewayDeps } from '../deps.ts';
import { openEventStreams } from '../event-stream.ts';
import { createDocuments } from './documents.ts';
import { serveHttp } from './http.ts';
import { openLiveStreams } from './live-streams.ts';
import { buildSchema } from './schema.ts';
import { openSockets } from './websocket.ts';
import { openYoga } from './yoga.ts';

/** How long a reader may take for what waits for it, before it has to come back. */
const slowReaderMs = 30_000;

/**
 * Opens the GraphQL door at `/graphql`: HTTP, server-sent events, uploads, GraphiQL and WebSocket. `stop` ends what is
 * streamed, so that clients come back to another gateway (1012 on a WebSocket), and may be called twice.
 */
export async function registerGraphql(
  server: FastifyInstance,
  deps: GatewayDeps,
  limits: { readonly slowReaderMs: number } = { slowReaderMs },
): Promise<{ stop(): Promise<void> }> {
  const schema = buildSchema(deps.engine.operations);
  const documents = createDocuments(schema);
  const yoga = openYoga(schema, documents);
  const streams = openLiveStreams(deps);
  const { BULKCAST_CONNECTION_MAX_AGE_SECONDS: maxAgeSeconds, BULKCAST_DRAIN_MS: drainMs } = deps.config;
  const bounds = { ...limits, maxAgeMs: maxAgeSeconds * 1000, drainMs };
  const events = openEventStreams(deps.log, bounds);
  await server.register(async (scope) => serveHttp(scope, { deps, yoga, streams, events }));
  const sockets = openSockets(server.server, { deps, schema, documents, streams, ...bounds });
  return {
    async stop() {
      await Promise.all([events.stop(), sockets.stop()]);
    },
  };
}
