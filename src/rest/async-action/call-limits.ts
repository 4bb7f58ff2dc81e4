import type { FastifyInstance } from 'fastify';
import type { Config } from '../../config.ts';
import { discardBody } from '../../request-body.ts';
import { findCaller } from '../door.ts';

/** The calls of one project in the minute that runs. */
interface Window {
  count: number;
  readonly endsAt: number;
}

const minuteMs = 60_000;

/**
 * Counts the calls of each project, minute by minute, in the memory of this gateway, tells the count in the `X-Rate-Limit-*`
 * headers of every answer, and answers 429 beyond the limit (contract of the async actions, sections 3.1 and 3.2). What nobody
 * is known to call counts for nobody. Register it after the door: it needs to know who calls.
 */
export function limitCalls(server: FastifyInstance, config: Pick<Config, 'BULKCAST_CALLS_PER_MINUTE'>): void {
  const limit = config.BULKCAST_CALLS_PER_MINUTE;
  const windows = new Map<string, Window>();
  server.addHook('onRequest', async (request, reply) => {
    const caller = findCaller(request);
    if (caller === undefined) return;
    const window = openWindow(windows, caller.projectId);
    window.count += 1;
    if (window.count <= limit) return;
    reply.header('retry-after', String(Math.ceil((window.endsAt - Date.now()) / 1000)));
    discardBody(request.raw);
    return reply.code(429).send({ code: 429, message: 'Too many requests hit the API too quickly.' });
  });
  server.addHook('onSend', async (request, reply) => {
    const caller = findCaller(request);
    const { count, endsAt } = windows.get(caller?.projectId ?? '') ?? { count: 0, endsAt: 0 };
    const nextCallAt = count < limit ? Date.now() : endsAt;
    reply.header('x-rate-limit-limit', String(limit));
    reply.header('x-rate-limit-remaining', String(Math.max(0, limit - count)));
    reply.header('x-rate-limit-retry', String(Math.ceil(nextCallAt / 1000)));
  });
}

/** The window that runs; those that have ended are thrown away when a new one begins. */
function openWindow(windows: Map<string, Window>, projectId: string): Window {
  const now = Date.now();
  const running = windows.get(projectId);
  if (running !== undefined && running.endsAt > now) return running;
  for (const [id, { endsAt }] of windows) if (endsAt <= now) windows.delete(id);
  const window = { count: 0, endsAt: now + minuteMs };
  windows.set(projectId, window);
  return window;
}
