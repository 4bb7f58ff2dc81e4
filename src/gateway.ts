import type { AddressInfo } from 'node:net';
import { type FastifyInstance, fastify } from 'fastify';
import type { App } from './app.ts';
import { createSignedLinks } from './auth/links.ts';
import type { GatewayDeps } from './deps.ts';
import { registerGraphql } from './graphql/server.ts';
import { registerHealth } from './health.ts';
import { openFeeds } from './progress/feeds.ts';
import { registerRest } from './rest/server.ts';
import { newRequestId } from './tasks/ids.ts';

export interface Gateway {
  /** Where it listens, such as `http://127.0.0.1:4000`. */
  readonly url: string;
  /** Ends the streams (1012 on a WebSocket), takes no new request, waits for those in hand up to the bound. Twice is fine. */
  stop(timeoutMs: number): Promise<void>;
}

/** Starts to listen, with every door open. */
export async function startGateway(app: App, secret: string): Promise<Gateway> {
  const { config } = app;
  let url = '';
  const deps: GatewayDeps = {
    config,
    log: app.log,
    metrics: app.metrics,
    db: app.db,
    engine: app.engine,
    bus: app.bus,
    feeds: openFeeds(app),
    auth: { db: app.db, secret },
    links: createSignedLinks({
      secret,
      seconds: config.BULKCAST_LINK_SECONDS,
      publicUrl: () => config.BULKCAST_PUBLIC_URL ?? url,
    }),
  };
  const server = createServer(config.BULKCAST_MAX_BODY_BYTES);
  registerHealth(server, deps);
  await registerRest(server, deps);
  const graphql = await registerGraphql(server, deps);
  await server.listen({ port: config.PORT, host: config.HOST });
  url = localUrl(config.HOST, server.server.address());
  app.log.info('gateway.listening', { url });

  const stop = async (timeoutMs: number) => {
    // Streams end first: a server waits for open requests, and a stream is one.
    await Promise.all([graphql.stop(), deps.feeds.stop()]);
    const force = setTimeout(() => server.server.closeAllConnections(), timeoutMs);
    await server.close().finally(() => clearTimeout(force));
  };
  let stopped: Promise<void> | undefined;
  return { url, stop: (timeoutMs) => (stopped ??= stop(timeoutMs)) };
}

function createServer(bodyLimit: number): FastifyInstance {
  return fastify({
    bodyLimit,
    genReqId: () => newRequestId(),
    requestIdHeader: false,
    logger: false,
    return503OnClosing: true,
    forceCloseConnections: 'idle',
    requestTimeout: 0,
    connectionTimeout: 0,
    keepAliveTimeout: 72_000,
    routerOptions: { maxParamLength: 500 },
  });
}

function localUrl(host: string, address: AddressInfo | string | null): string {
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  const name = host === '0.0.0.0' || host === '::' ? 'localhost' : host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
}
