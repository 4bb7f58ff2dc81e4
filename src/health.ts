import type { FastifyInstance } from 'fastify';
import { sql } from 'kysely';
import type { GatewayDeps } from './deps.ts';
import { countUnfinishedTasks } from './tasks/store.ts';

/** `/healthz`: the process lives. `/readyz`: it can serve (Postgres answers; Redis away only slows pushes down).
 *  `/metrics`: what Prometheus scrapes. */
export function registerHealth(
  server: FastifyInstance,
  deps: Pick<GatewayDeps, 'db' | 'bus' | 'metrics' | 'log'>,
): void {
  server.get('/healthz', async (_request, reply) => reply.send({ status: 'ok' }));

  server.get('/readyz', async (_request, reply) => {
    const bus = deps.bus.isUp() ? 'up' : 'down';
    try {
      await sql`select 1`.execute(deps.db);
      return reply.send({ status: 'ok', database: 'up', bus });
    } catch (error) {
      deps.log.warn('readiness.database_down', { error });
      return reply.code(503).send({ status: 'unavailable', database: 'down', bus });
    }
  });

  server.get('/metrics', async (_request, reply) => {
    const { registry, unfinishedTasks } = deps.metrics;
    unfinishedTasks.reset();
    for (const { state, operation, count } of await countUnfinishedTasks(deps.db)) {
      unfinishedTasks.set({ state, operation }, count);
    }
    return reply.type(registry.contentType).send(await registry.metrics());
  });
}
