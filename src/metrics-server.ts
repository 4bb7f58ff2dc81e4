import { isIP } from 'node:net';
import { type FastifyInstance, type FastifyRequest, fastify } from 'fastify';
import type { App } from './app.ts';
import { boundConnections, headBounds } from './connections.ts';
import { ClientError } from './errors.ts';
import { type Listener, listen } from './listen.ts';
import { answerUnreadable, refuseWithProblems } from './problems.ts';
import { newRequestId } from './tasks/ids.ts';
import { countUnfinishedTasks } from './tasks/store.ts';

type MetricsDeps = Pick<App, 'quickDb' | 'bus' | 'metrics' | 'log'>;

/** `/metrics`, for Prometheus. Where clients come too, only for who asks from this machine, and through no proxy there. */
export function registerMetrics(
  server: FastifyInstance,
  deps: MetricsDeps,
  { isPublic }: { readonly isPublic: boolean },
): void {
  const { registry, busUp } = deps.metrics;
  const countTasks = shareRuns(() => setUnfinishedTasks(deps));
  server.get('/metrics', async (request, reply) => {
    if (isPublic && !isLocal(request)) throw new ClientError('FORBIDDEN', 'Metrics are told to this machine only');
    busUp.set(deps.bus.isUp() ? 1 : 0);
    await countTasks();
    return reply.type(registry.contentType).send(await registry.metrics());
  });
}

/** Metrics, and nothing else, at a port of their own. Throws a ConfigError when it cannot be had. */
export async function startMetricsServer(app: App, port: number): Promise<Listener> {
  const server = fastify({
    logger: false,
    http: headBounds(app.config),
    genReqId: () => newRequestId(),
    requestIdHeader: false,
    clientErrorHandler: answerUnreadable(app.log),
  });
  boundConnections(server.server, app.config, app.metrics);
  refuseWithProblems(server, app.log);
  registerMetrics(server, app, { isPublic: false });
  const listener = await listen(server, { HOST: app.config.HOST, PORT: port });
  app.log.info('metrics.listening', { url: listener.url });
  return listener;
}

/** Without the database all else is told. */
async function setUnfinishedTasks({ quickDb, metrics: { unfinishedTasks }, log }: MetricsDeps): Promise<void> {
  try {
    const counts = await countUnfinishedTasks(quickDb);
    unfinishedTasks.reset();
    for (const { state, operation, count } of counts) unfinishedTasks.set({ state, operation }, count);
  } catch (error) {
    unfinishedTasks.reset();
    log.warn('metrics.tasks_not_counted', { error });
  }
}

/** However often it is asked for, one run at a time, and at most one a second. */
function shareRuns(run: () => Promise<void>): () => Promise<void> {
  let shared: { readonly startedAt: number; readonly done: Promise<void> } | undefined;
  let isRunning = false;
  return () => {
    if (shared !== undefined && (isRunning || performance.now() - shared.startedAt < freshMs)) return shared.done;
    isRunning = true;
    const done = run().finally(() => {
      isRunning = false;
    });
    shared = { startedAt: performance.now(), done };
    return done;
  };
}

const freshMs = 1_000;
const proxyHeaders = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'via'];

function isLocal({ raw: { socket, headers } }: FastifyRequest): boolean {
  const address = (socket.remoteAddress ?? '').replace(/^::ffff:/, '');
  const isLoopback = address === '::1' || (isIP(address) === 4 && address.startsWith('127.'));
  return isLoopback && proxyHeaders.every((name) => headers[name] === undefined);
}
