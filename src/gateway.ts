import { type FastifyInstance, fastify } from 'fastify';
import type { App } from './app.ts';
import { openAuth } from './auth/auth.ts';
import { createSignedLinks } from './auth/links.ts';
import type { Config } from './config.ts';
import { boundConnections, headBounds } from './connections.ts';
import type { GatewayDeps } from './deps.ts';
import { registerGraphql } from './graphql/server.ts';
import { registerHealth } from './health.ts';
import { openRateLimits } from './limits/rate-limits.ts';
import { type Listener, listen } from './listen.ts';
import type { Log } from './log.ts';
import { registerMetrics } from './metrics-server.ts';
import { answerUnreadable } from './problems.ts';
import { openFeeds } from './progress/feeds.ts';
import { openPolledTasks } from './progress/polled-tasks.ts';
import { createTaskReader } from './progress/task-reader.ts';
import { answerUnreadablePath, registerRest } from './rest/server.ts';
import { newRequestId } from './tasks/ids.ts';
import { createUploadReader } from './uploads.ts';
import { createWebhooks } from './webhooks/webhooks.ts';
import { holdYoungGeneration } from './young-generation.ts';

/** Starts to listen, with every door open. Its stop ends the streams first: 1012 on a WebSocket. */
export async function startGateway(app: App, secret: string): Promise<Listener> {
  const { config } = app;
  let url = '';
  const publicUrl = () => config.BULKCAST_PUBLIC_URL ?? url;
  const reader = createTaskReader(app.quickDb);
  const feeds = openFeeds({ ...app, reader });
  const deps: GatewayDeps = {
    ...app,
    feeds,
    polled: openPolledTasks({
      ...app,
      feeds,
      reader,
      count: (change) => app.metrics.subscribers.inc({ kind: 'poll' }, change),
    }),
    reader,
    uploads: createUploadReader({
      maxUploads: config.BULKCAST_MAX_UPLOADS,
      stallMs: config.BULKCAST_UPLOAD_STALL_MS,
    }),
    auth: openAuth({ db: app.db, log: app.log, secret, maxAgeMs: config.BULKCAST_CREDENTIALS_MAX_AGE_MS }),
    limits: openRateLimits({ config, counter: app.bus.counter, log: app.log, secret }),
    links: createSignedLinks({ secret, seconds: config.BULKCAST_LINK_SECONDS, publicUrl }),
    webhooks: createWebhooks(app.engine, secret, config.BULKCAST_WEBHOOK_NETWORKS),
    publicUrl,
  };
  const server = createServer(config, app.log);
  boundConnections(server.server, config, app.metrics);
  // Workers in the same process need theirs.
  if (config.BULKCAST_ROLE === 'gateway') holdYoungGeneration(server.server);
  let isStopping = false;
  registerHealth(server, { ...app, isStopping: () => isStopping });
  if (config.BULKCAST_METRICS_PORT === undefined) registerMetrics(server, app, { isPublic: true });
  const rest = await registerRest(server, deps);
  const graphql = await registerGraphql(server, deps);
  const listener = await listen(server, config);
  url = listener.url;
  app.log.info('gateway.listening', { url });
  return {
    url,
    async stop(timeoutMs) {
      isStopping = true;
      // Streams first: the server waits for open requests, and a stream is one. They are served until it is their turn.
      await Promise.all([rest.stop(), graphql.stop()]);
      await deps.feeds.stop();
      await listener.stop(timeoutMs);
      await deps.auth.stop();
    },
  };
}

function createServer(config: Config, log: Log): FastifyInstance {
  return fastify({
    bodyLimit: config.BULKCAST_MAX_BODY_BYTES,
    http: headBounds(config),
    // Else whoever calls could say where from.
    trustProxy: config.BULKCAST_TRUSTED_PROXIES?.slice() ?? false,
    genReqId: () => newRequestId(),
    requestIdHeader: false,
    logger: false,
    forceCloseConnections: 'idle',
    frameworkErrors: answerUnreadablePath(log),
    clientErrorHandler: answerUnreadable(log),
    // A code has up to 255 characters, each up to nine in a path.
    routerOptions: { maxParamLength: 2_500 },
  });
}
