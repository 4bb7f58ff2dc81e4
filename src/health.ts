import { type FastifyInstance, fastify } from 'fastify';
import { sql } from 'kysely';
import type { App } from './app.ts';
import { boundConnections, headBounds } from './connections.ts';
import { type Listener, listen } from './listen.ts';
import { registerMetrics } from './metrics-server.ts';
import { answerUnreadable, refuseWithProblems } from './problems.ts';
import { newRequestId } from './tasks/ids.ts';

interface HealthDeps extends Pick<App, 'quickDb' | 'bus' | 'log'> {
  /** True while a gateway sends its streams to others. */
  readonly isStopping?: () => boolean;
}

/** `/healthz`: the process lives. `/readyz`: it can serve (Postgres answers and it is not stopping; Redis away only slows pushes down). */
export function registerHealth(server: FastifyInstance, deps: HealthDeps): void {
  server.get('/healthz', async (_request, reply) => reply.send({ status: 'ok' }));

  server.get('/readyz', async (_request, reply) => {
    const bus = deps.bus.isUp() ? 'up' : 'down';
    if (deps.isStopping?.()) return reply.code(503).send({ status: 'stopping' });
    try {
      await sql`select 1`.execute(deps.quickDb);
      return reply.send({ status: 'ok', database: 'up', bus });
    } catch (error) {
      deps.log.warn('readiness.database_down', { error });
      return reply.code(503).send({ status: 'unavailable', database: 'down', bus });
    }
  });
}

/** The probes of a process that is no gateway, where a gateway would listen. */
export async function startHealthServer(app: App): Promise<Listener> {
  const server = fastify({
    logger: false,
    http: headBounds(app.config),
    genReqId: () => newRequestId(),
    requestIdHeader: false,
    clientErrorHandler: answerUnreadable(app.log),
  });
  boundConnections(server.server, app.config, app.metrics);
  refuseWithProblems(server, app.log);
  registerHealth(server, app);
  if (app.config.BULKCAST_METRICS_PORT === undefined) registerMetrics(server, app, { isPublic: false });
  const listener = await listen(server, app.config);
  app.log.info('health.listening', { url: listener.url });
  return listener;
}
