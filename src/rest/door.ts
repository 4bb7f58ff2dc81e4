import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { authenticate } from '../auth/authenticate.ts';
import { type Caller, type Credentials, onlyWatches, readCredentials, unauthenticated } from '../auth/caller.ts';
import type { GatewayDeps } from '../deps.ts';
import { ClientError, toClientError } from '../errors.ts';
import { type LimitStyle, takeAndTell } from '../limits/limit-headers.ts';
import { boundStalls, discardBody } from '../request-body.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The latency metric that the route counts in; `rest` by default. */
    door?: 'poll';
    /** The route asks for no credentials. */
    isPublic?: boolean;
    /** A watch token may pass, and the route asks `watcherOf`; to every other route it is FORBIDDEN. */
    isWatch?: boolean;
    /** The route streams events: a watch token, and no other, may come as `?access_token=` too, for an EventSource sends no
     *  headers. */
    isEvents?: boolean;
  }
}

/** Why a request is not answered with what it asked for. */
export type Refusal =
  | { readonly kind: 'unknown_path' }
  | { readonly kind: 'method_not_allowed'; readonly allowed: readonly string[] }
  | { readonly kind: 'client_error'; readonly error: ClientError }
  | { readonly kind: 'internal' };

/** How one wire model tells a refusal. */
export type Shape = (refusal: Refusal, request: FastifyRequest) => Answer;

export interface DoorOptions {
  /** Which scope lets a confined token pass, besides `api`. */
  readonly scopeOf?: (request: FastifyRequest) => string;
  readonly limitStyle?: LimitStyle;
}
/** What is answered with a refusal. */
export interface Answer {
  readonly status: number;
  readonly body: object;
  /** `application/json` by default. */
  readonly contentType?: string;
}

const callerKey = 'caller';
const takeStartKey = 'takeStart';

/**
 * Makes an encapsulated plugin the door of one wire model: who calls is known before a body is read, everything below the
 * prefix that is refused has the model's shape, answers carry `x-request-id` and are timed. Register the routes after it.
 */
export function openDoor(server: FastifyInstance, deps: GatewayDeps, shape: Shape, options: DoorOptions = {}): void {
  const allowedMethods = followRoutes(server);
  const refuse = (refusal: Refusal, request: FastifyRequest, reply: FastifyReply) =>
    sendRefusal(refusal, shape, request, reply);

  server.decorateRequest(callerKey, null);
  server.decorateRequest(takeStartKey, null);
  server.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
    if (request.is404) {
      const allowed = allowedMethods(request.url);
      const refusal: Refusal = allowed.length > 0 ? { kind: 'method_not_allowed', allowed } : { kind: 'unknown_path' };
      return refuse(refusal, request, reply);
    }
    if (request.routeOptions.config.isPublic) return;
    const credentials = readRequest(request);
    const caller = await authenticate(deps.auth, credentials, options.scopeOf?.(request));
    if (caller === null) throw unauthenticated();
    if (credentials.isFromUrl && caller.taskId === null) throw unauthenticated();
    if (caller.taskId !== null && !request.routeOptions.config.isWatch) throw onlyWatches();
    request.setDecorator<Caller>(callerKey, caller);
    const { calls, starts } = deps.limits;
    await takeAndTell(calls, caller, reply, options.limitStyle);
    request.setDecorator<TakeStart>(takeStartKey, () => takeAndTell(starts, caller, reply, options.limitStyle));
  });
  boundStalls(server, deps.config.BULKCAST_UPLOAD_STALL_MS);
  server.addHook('onResponse', async (request, reply) => {
    const { door = 'rest', isEvents = false } = request.routeOptions.config ?? {};
    if (isEvents && reply.statusCode === 200) return;
    deps.metrics.requestSeconds.observe({ door, status: String(reply.statusCode) }, reply.elapsedTime / 1000);
  });
  server.setNotFoundHandler((request, reply) => refuse({ kind: 'unknown_path' }, request, reply));
  server.setErrorHandler((error, request, reply) => refuse(toRefusal(error, request, deps), request, reply));
}

function readRequest({ headers, query, routeOptions }: FastifyRequest): Credentials & { readonly isFromUrl: boolean } {
  const credentials = readCredentials(headers);
  const isBare = Object.keys(credentials).length === 0;
  if (!isBare || !routeOptions.config.isEvents) return { ...credentials, isFromUrl: false };
  const token: unknown = new Map<string, unknown>(Object.entries(Object(query))).get('access_token');
  return typeof token === 'string' && token !== ''
    ? { authorization: `Bearer ${token}`, isFromUrl: true }
    : { isFromUrl: false };
}

type TakeStart = () => Promise<void> | undefined;

/** Counts a start of a task for whoever calls. Throws RATE_LIMITED when none is left. */
export async function takeStart(request: FastifyRequest): Promise<void> {
  await request.getDecorator<TakeStart | null>(takeStartKey)?.();
}

/** Who calls, if that is known. */
export function findCaller(request: FastifyRequest): Caller | undefined {
  return request.getDecorator<Caller | null>(callerKey) ?? undefined;
}

/** Who calls a route that asks for credentials. Throws FORBIDDEN to a watch token. */
export function callerOf(request: FastifyRequest): Caller {
  const caller = identifiedCaller(request);
  if (caller.taskId !== null) throw onlyWatches();
  return caller;
}

/** Who calls to see how this task is getting on; undefined when it may watch another one only, for which this task does not
 *  exist. */
export function watcherOf(request: FastifyRequest, taskId: string): Caller | undefined {
  const caller = identifiedCaller(request);
  return caller.taskId === null || caller.taskId === taskId ? caller : undefined;
}

function identifiedCaller(request: FastifyRequest): Caller {
  const caller = findCaller(request);
  if (caller === undefined) throw new Error(`${request.routeOptions.url} is public and has no caller`);
  return caller;
}

/** What a thrown value means to the client; whatever is not the client's doing is logged with its cause. */
export function toRefusal(error: unknown, request: FastifyRequest, deps: Pick<GatewayDeps, 'log'>): Refusal {
  const known = toClientError(error) ?? fromFramework(error);
  const { id, method, routeOptions } = request;
  if (known?.code === 'UNAVAILABLE' && known.cause !== undefined) {
    deps.log.warn('request.unavailable', { request: id, method, route: routeOptions.url, error: known.cause });
  }
  if (known !== undefined) return { kind: 'client_error', error: known };
  deps.log.error('request.failed', { request: id, method, route: routeOptions.url, error });
  return { kind: 'internal' };
}

/** What Fastify itself refuses while it reads a body. */
function fromFramework(error: unknown): ClientError | undefined {
  if (!(error instanceof Error) || !('statusCode' in error)) return undefined;
  switch (error.statusCode) {
    case 413:
      return new ClientError('PAYLOAD_TOO_LARGE', 'The body is too large', { cause: error });
    case 415:
      return new ClientError('UNSUPPORTED_MEDIA_TYPE', 'The content type is not supported here', { cause: error });
    case 400:
      return new ClientError('BAD_USER_INPUT', 'The body breaks off before its announced end', { cause: error });
    default:
      return undefined;
  }
}

/** Answers with a refusal, and reads on for a moment so that a client that is still sending gets to see it. */
export function sendRefusal(
  refusal: Refusal,
  shape: Shape,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const { status, body, contentType = 'application/json; charset=utf-8' } = shape(refusal, request);
  const code = refusal.kind === 'client_error' ? refusal.error.code : undefined;
  if (refusal.kind === 'method_not_allowed') reply.header('allow', refusal.allowed.join(', '));
  if (code === 'UNAUTHENTICATED') reply.header('www-authenticate', 'Bearer');
  if (code === 'TOO_MANY_UPLOADS' || code === 'UNAVAILABLE') reply.header('retry-after', '1');
  if (refusal.kind === 'client_error' && refusal.error.retryAfter !== undefined) {
    reply.header('retry-after', String(refusal.error.retryAfter));
  }
  // Fastify would close at once, which can take the answer away from a client that is still sending.
  reply.removeHeader('connection').header('x-request-id', request.id);
  discardBody(request.raw);
  return reply.code(status).type(contentType).send(body);
}

/** Remembers the plugin's routes, and tells which methods there are for a path. */
function followRoutes(server: FastifyInstance): (url: string) => string[] {
  const routes: { readonly methods: readonly string[]; readonly pattern: URLPattern }[] = [];
  server.addHook('onRoute', ({ method, url }) => {
    routes.push({ methods: [method].flat(), pattern: new URLPattern({ pathname: url }) });
  });
  return (url) => {
    const [pathname = ''] = url.split('?', 1);
    const methods = routes.filter(({ pattern }) => pattern.test({ pathname })).flatMap((route) => route.methods);
    return [...new Set(methods)].sort();
  };
}
