import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { authenticate } from '../auth/authenticate.ts';
import { type Caller, readCredentials } from '../auth/caller.ts';
import type { GatewayDeps } from '../deps.ts';
import { type LimitStyle, limitHeaders } from '../limits/limit-headers.ts';
import type { Taken } from '../limits/taken.ts';
import { newRequestId } from '../tasks/ids.ts';
import type { Snapshot } from '../tasks/snapshot.ts';
import { matchesTag } from './entity-tags.ts';
import type { PollBodies, PollBody } from './poll-bodies.ts';
import { pollCaching, pollType } from './polls.ts';

/** The polls of one wire model. */
export interface PollDoor {
  /** The whole path; its groups are the task's `id` and, if it has one, the `programId`. */
  readonly path: RegExp;
  readonly bodies: PollBodies;
  /** Whether a poll of this task is answered at once, and with the shared body. */
  readonly isReady: (task: Snapshot, programId: string | undefined) => boolean;
  /** Which scope lets a confined token pass. */
  readonly scope?: string;
  readonly limitStyle?: LimitStyle;
}

interface Poll {
  readonly door: PollDoor;
  readonly id: string;
  readonly programId: string | undefined;
}

/**
 * Answers a plain poll of a task that is known before the routes see it, for what they cost is most of what a poll costs.
 * Everything else goes to the routes as it came: a task that must be read, a preference, whatever is to be refused.
 */
export function answerPollsFirst(server: Server, deps: GatewayDeps, doors: readonly PollDoor[]): void {
  const routes = server.listeners('request');
  const observed = { door: 'poll' } as const;
  server.removeAllListeners('request');
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const toRoutes = () => {
      for (const route of routes) route.call(server, request, response);
    };
    const poll = server.listening ? findPoll(doors, request) : undefined;
    if (poll === undefined) return toRoutes();
    const startedMs = performance.now();
    const observe = (status: Status | undefined) => {
      if (status === undefined) return toRoutes();
      const seconds = (performance.now() - startedMs) / 1000;
      deps.metrics.requestSeconds.observe({ ...observed, status }, seconds);
    };
    const settle = (caller: Caller | null) => {
      const status = answer(deps, poll, caller, { request, response });
      return status instanceof Promise ? status.then(observe) : observe(status);
    };
    // Whatever is wrong, the routes tell it.
    const caller = authenticateFirst(deps, poll, request);
    if (caller instanceof Promise) caller.then(settle).catch(toRoutes);
    else settle(caller)?.catch(toRoutes);
  });
}

function authenticateFirst({ auth }: GatewayDeps, { door }: Poll, { headers }: IncomingMessage) {
  try {
    return authenticate(auth, readCredentials(headers), door.scope);
  } catch {
    return null;
  }
}

/** Of a request that asks for nothing but the body. */
function findPoll(doors: readonly PollDoor[], { method, url = '', headers }: IncomingMessage): Poll | undefined {
  if (method !== 'GET') return undefined;
  for (const door of doors) {
    const { id, programId } = door.path.exec(url)?.groups ?? {};
    if (id === undefined) continue;
    const isPlain =
      headers.prefer === undefined &&
      headers['content-length'] === undefined &&
      headers['transfer-encoding'] === undefined;
    return isPlain ? { door, id, programId } : undefined;
  }
  return undefined;
}

type Status = '200' | '304';

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** The status of what was answered, if it was: at once, unless calls have to be counted elsewhere first. */
function answer(
  deps: GatewayDeps,
  poll: Poll,
  caller: Caller | null,
  exchange: Exchange,
): Status | undefined | Promise<Status | undefined> {
  if (caller === null) return undefined;
  const body = findBody(deps, poll, caller);
  if (body === undefined) return undefined;
  const { calls } = deps.limits;
  const taken = calls.take(caller);
  const send = (call: Taken | undefined) => {
    if (call?.isGranted === false) return undefined;
    return sendBody(body, limitHeaders(calls, call, poll.door.limitStyle ?? 'standard'), exchange);
  };
  return taken instanceof Promise ? taken.then(send) : send(taken);
}

function sendBody(body: PollBody, limits: readonly string[], { request: { headers }, response }: Exchange): Status {
  const { tag, text, length, validity } = body;
  const retryAfter = body.retryAfter();
  const head = ['x-request-id', newRequestId(), 'etag', tag, 'cache-control', pollCaching, ...limits];
  if (retryAfter !== null) head.push('retry-after', retryAfter);
  const hasIt = matchesTag(headers['if-none-match'], tag) && validity.copiesUntil > Date.now();
  if (hasIt) {
    response.writeHead(304, head).end();
    return '304';
  }
  head.push('content-type', pollType, 'content-length', length);
  response.writeHead(200, head).end(text);
  return '200';
}

function findBody(deps: GatewayDeps, { door, id, programId }: Poll, caller: Caller): PollBody | undefined {
  if (caller.taskId !== null && caller.taskId !== id) return undefined;
  const task = deps.polled.peek(caller.projectId, id);
  if (task === undefined || !door.isReady(task, programId)) return undefined;
  return door.bodies.peek(task, caller.taskId !== null);
}
