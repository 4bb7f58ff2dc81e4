import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Config } from '../../config.ts';
import { discardBody } from '../../request-body.ts';
import { findCaller } from '../door.ts';

/** The calls of each project, counted minute by minute in the memory of this gateway. */
export interface CallLimits {
  /** Counts a call. False, and not counted, when none is left. */
  take(projectId: string): boolean;
  /** What the `X-Rate-Limit-*` headers tell: names and values by turns. Nobody's calls are all left. */
  headersOf(projectId: string | undefined): readonly string[];
  /** Seconds until the project may call again. */
  retryAfter(projectId: string): number;
}

interface Window {
  count: number;
  readonly endsAt: number;
}

const minuteMs = 60_000;

export function openCallLimits(config: Pick<Config, 'BULKCAST_CALLS_PER_MINUTE'>): CallLimits {
  const limit = config.BULKCAST_CALLS_PER_MINUTE;
  const limitText = String(limit);
  const windows = new Map<string, Window>();
  return {
    take: (projectId) => {
      const window = openWindow(windows, projectId);
      if (window.count >= limit) return false;
      window.count += 1;
      return true;
    },
    headersOf: (projectId = '') => {
      const { count, endsAt } = windows.get(projectId) ?? { count: 0, endsAt: 0 };
      const nextCallAt = count < limit ? Date.now() : endsAt;
      const remaining = String(limit - count);
      const retry = String(Math.ceil(nextCallAt / 1000));
      return ['x-rate-limit-limit', limitText, 'x-rate-limit-remaining', remaining, 'x-rate-limit-retry', retry];
    },
    retryAfter: (projectId) => Math.ceil(((windows.get(projectId)?.endsAt ?? 0) - Date.now()) / 1000),
  };
}

/**
 * Counts the calls of each project, tells the count in the headers of every answer, and answers 429 beyond the limit (contract
 * of the async actions, sections 3.1 and 3.2). What nobody is known to call counts for nobody. Register it after the door: it
 * needs to know who calls.
 */
export function limitCalls(server: FastifyInstance, limits: CallLimits): void {
  server.addHook('onRequest', async (request, reply) => {
    const caller = findCaller(request);
    if (caller === undefined) return;
    const isTaken = limits.take(caller.projectId);
    tell(reply, limits, caller.projectId);
    if (isTaken) return;
    reply.header('retry-after', String(limits.retryAfter(caller.projectId)));
    discardBody(request.raw);
    return reply.code(429).send({ code: 429, message: 'Too many requests hit the API too quickly.' });
  });
  server.addHook('onSend', async (_request, reply) => {
    if (!reply.hasHeader('x-rate-limit-limit')) tell(reply, limits, undefined);
  });
}

function tell(reply: FastifyReply, limits: CallLimits, projectId: string | undefined): void {
  const headers = limits.headersOf(projectId);
  for (let at = 0; at < headers.length; at += 2) reply.header(headers[at] ?? '', headers[at + 1]);
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
