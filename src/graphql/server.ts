import type { ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import type { GatewayDeps } from '../deps.ts';
import { serveHttp } from './http.ts';
import { buildSchema } from './schema.ts';
import { openSockets } from './websocket.ts';
import { openYoga } from './yoga.ts';

/**
 * Opens the GraphQL door at `/graphql`: HTTP, server-sent events, uploads, GraphiQL and WebSocket. `stop` ends what is
 * streamed, so that clients come back to another gateway (1012 on a WebSocket), and may be called twice.
 */
export async function registerGraphql(server: FastifyInstance, deps: GatewayDeps): Promise<{ stop(): Promise<void> }> {
  const yoga = openYoga(buildSchema(deps.engine.operations));
  const streams = new Set<ServerResponse>();
  await server.register(async (scope) => serveHttp(scope, { deps, yoga, streams }));
  const sockets = openSockets(server.server, { deps, yoga });
  return {
    async stop() {
      // Cut, not completed: a client takes the end of a stream for the end of the task.
      for (const stream of streams) stream.destroy();
      await sockets.stop();
    },
  };
}
