import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { GraphQLError } from 'graphql';
import { authenticate } from '../auth/authenticate.ts';
import { type Caller, readCredentials, unauthenticated } from '../auth/caller.ts';
import type { GatewayDeps } from '../deps.ts';
import { badInput, ClientError } from '../errors.ts';
import type { EventStreams } from '../event-stream.ts';
import { boundStalls, checkDepth } from '../request-body.ts';
import type { Context } from './context.ts';
import { streamEvents } from './event-operation.ts';
import { fromFramework, sendRefusal } from './http-refusals.ts';
import { checkLength } from './limits.ts';
import type { LiveStreams } from './live-streams.ts';
import { readMultipartParams } from './multipart.ts';
import { graphqlPath, type ServerContext, type Yoga } from './yoga.ts';

interface HttpDoor {
  readonly deps: GatewayDeps;
  readonly yoga: Yoga;
  readonly streams: LiveStreams;
  readonly events: EventStreams;
}

const callerKey = 'caller';
const allowedMethods = 'GET, POST, OPTIONS';

/** Serves `/graphql` inside a Fastify plugin of its own: all that is refused there has GraphQL's shape. */
export function serveHttp(server: FastifyInstance, door: HttpDoor): void {
  const { deps } = door;
  server.decorateRequest(callerKey, null);
  server.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
    // No cookie is ever read, so that any origin may ask.
    reply
      .header('access-control-allow-origin', '*')
      .header('access-control-expose-headers', 'x-request-id, x-resumed-after, retry-after');
    if (request.method === 'OPTIONS') return;
    request.setDecorator(callerKey, await authenticate(deps.auth, readCredentials(request.headers)));
  });
  server.addHook('onResponse', async ({ method }, reply) => {
    if (isStream(reply.getHeader('content-type')) || method === 'OPTIONS') return;
    deps.metrics.requestSeconds.observe(
      { door: 'graphql', status: String(reply.statusCode) },
      reply.elapsedTime / 1000,
    );
  });
  boundStalls(server, deps.config.BULKCAST_UPLOAD_STALL_MS);
  takeBodies(server);
  server.setErrorHandler((thrown, request, reply) => {
    const error = fromFramework(thrown);
    return sendRefusal(reply, statusOf(error), error, contextOf(deps, request));
  });
  addRoutes(server, door);
}

function addRoutes(server: FastifyInstance, door: HttpDoor): void {
  server.route({
    method: ['GET', 'POST'],
    url: graphqlPath,
    exposeHeadRoute: false,
    handler: (request, reply) => answer(door, request, reply),
  });
  server.options(graphqlPath, async (request, reply) => answerPreflight(request, reply));
  server.route({
    method: ['DELETE', 'HEAD', 'PATCH', 'PUT'],
    url: graphqlPath,
    handler: (request, reply) => {
      const error = badInput([], 'METHOD_NOT_ALLOWED', `Expected one of ${allowedMethods}`);
      return sendRefusal(reply.header('allow', allowedMethods), 405, error, contextOf(door.deps, request));
    },
  });
}

async function answer(door: HttpDoor, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const context = contextOf(door.deps, request);
  if (request.method === 'GET') {
    checkParameters(request.query);
    return execute(door, context, request, reply);
  }
  if (!isMultipart(request)) return execute(door, { ...context, body: readBody(request.body) }, request, reply);
  if (context.caller === null) throw unauthenticated();
  const { uploads, config } = door.deps;
  using form = await uploads.read(request.raw, { maxBytes: config.BULKCAST_MAX_UPLOAD_BYTES });
  const body = readMultipartParams(form);
  checkLength(body.query);
  return await execute(door, { ...context, body }, request, reply);
}

/** Throws BAD_USER_INPUT when a parameter of a GET that is to hold JSON does not. */
function checkParameters(query: unknown): void {
  for (const [name, text] of Object.entries(Object(query))) {
    if ((name !== 'variables' && name !== 'extensions') || typeof text !== 'string' || text === '') continue;
    checkDepth(text);
    try {
      JSON.parse(text);
    } catch (cause) {
      throw new ClientError('BAD_USER_INPUT', `The parameter ${name} is not JSON`, { cause });
    }
  }
}

function statusOf(error: unknown): number {
  if (error instanceof ClientError) return error.status;
  return error instanceof GraphQLError ? 400 : 500;
}

async function execute(
  door: HttpDoor,
  context: Context & { readonly body?: object },
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const opened: NonNullable<ServerContext['opened']> = { subscription: undefined };
  const response = await door.yoga.handleNodeRequestAndResponse(request.raw, reply.raw, { ...context, opened });
  if (response.status === 406) {
    const expected = 'application/graphql-response+json, application/json, or text/event-stream for a subscription';
    return sendRefusal(reply, 406, badInput([], 'NOT_ACCEPTABLE', `Accept one of ${expected}`), context);
  }
  const { subscription } = opened;
  if (subscription === undefined) return response;
  const { deps, caller, requestId, transport } = context;
  // Only this of the context: the request's body is not to stay with an open stream.
  streamEvents({ request, reply, context: { deps, caller, requestId, transport }, subscription }, door);
  return reply;
}

function contextOf(deps: GatewayDeps, request: FastifyRequest): Context {
  const caller = request.getDecorator<Caller | null>(callerKey);
  return { deps, caller, requestId: request.id, transport: 'http' };
}

function readBody(body: unknown): object {
  if (Array.isArray(body))
    throw badInput([], 'BATCHING', 'Expected one operation, got a list: batching is not supported');
  if (typeof body !== 'object' || body === null)
    throw badInput([], 'INVALID_TYPE', 'Expected a JSON object with a query');
  if ('query' in body) checkLength(body.query);
  return body;
}

function answerPreflight(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return reply
    .code(204)
    .header('access-control-allow-methods', allowedMethods)
    .header('access-control-allow-headers', request.headers['access-control-request-headers'] ?? 'content-type')
    .header('access-control-max-age', '86400')
    .send();
}

/** JSON is read whole, up to the server's body limit; a form is left to be read while it arrives. */
function takeBodies(server: FastifyInstance): void {
  const parseJson = server.getDefaultJsonParser('error', 'ignore');
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body: string, done) => {
    try {
      checkDepth(body);
    } catch (error) {
      return done(error instanceof Error ? error : new Error('not checked', { cause: error }));
    }
    return parseJson(request, body, done);
  });
  server.addContentTypeParser('multipart/form-data', async () => undefined);
}

function isMultipart(request: FastifyRequest): boolean {
  return request.headers['content-type']?.toLowerCase().startsWith('multipart/form-data') ?? false;
}

function isStream(contentType: unknown): boolean {
  return typeof contentType === 'string' && contentType.startsWith('text/event-stream');
}
