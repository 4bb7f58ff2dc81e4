import { METHODS } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ExecutionResult } from 'graphql';
import { authenticate } from '../auth/authenticate.ts';
import { type Caller, readCredentials, unauthenticated } from '../auth/caller.ts';
import type { GatewayDeps } from '../deps.ts';
import { badInput } from '../errors.ts';
import { checkJson } from '../json-text.ts';
import { takeAndTell } from '../limits/limit-headers.ts';
import { boundStalls } from '../request-body.ts';
import { type Context, depsOf } from './context.ts';
import { allowedMethods, allowOrigin, answerPreflight, refuseCrossSite } from './cross-site.ts';
import { presentResult } from './errors.ts';
import { streamEvents } from './event-operation.ts';
import { runOperation } from './http-operation.ts';
import { namesDocument, type Params, readParams, readQueryString } from './http-params.ts';
import { fromFramework, sendRefusal, statusOfError } from './http-refusals.ts';
import { showResult, statusOf } from './http-results.ts';
import { type MediaType, negotiate } from './media-types.ts';
import { readMultipartParams } from './multipart.ts';
import {
  answerReservation,
  openReservedStream,
  readStreamToken,
  type SingleConnection,
  startOperation,
  stopOperation,
} from './single-connection.ts';
import { graphqlPath, type ServerContext } from './yoga.ts';

interface HttpDoor extends SingleConnection {
  readonly deps: GatewayDeps;
}

/** One request, and what to answer it with. */
interface Exchange {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly context: Context;
}

const callerKey = 'caller';

/** Serves `/graphql` inside a Fastify plugin of its own: all that is refused there has GraphQL's shape. */
export function serveHttp(server: FastifyInstance, door: HttpDoor): void {
  const { deps } = door;
  server.decorateRequest(callerKey, null);
  const admit = (request: FastifyRequest, reply: FastifyReply): Promise<void> | undefined => {
    reply.header('x-request-id', request.id);
    allowOrigin(request, reply, deps.config.BULKCAST_CORS_ORIGINS);
    if (request.method === 'OPTIONS') return undefined;
    const settle = (caller: Caller | null) => {
      request.setDecorator(callerKey, caller);
      return caller === null ? undefined : takeAndTell(deps.limits.calls, caller, reply);
    };
    const caller = authenticate(deps.auth, readCredentials(request.headers));
    return caller instanceof Promise ? caller.then(settle) : settle(caller);
  };
  // At once where it can be: a promise would cost most requests more than what it waits for.
  server.addHook('onRequest', (request, reply, done) => {
    const admitted = admit(request, reply);
    if (admitted === undefined) done();
    else admitted.then(() => done(), done);
  });
  server.addHook('onResponse', ({ method }, reply, done) => {
    const isTimed = !isStream(reply.getHeader('content-type')) && method !== 'OPTIONS';
    const labels = { door: 'graphql', status: String(reply.statusCode) };
    if (isTimed) deps.metrics.requestSeconds.observe(labels, reply.elapsedTime / 1000);
    done();
  });
  boundStalls(server, deps.config.BULKCAST_UPLOAD_STALL_MS);
  takeBodies(server);
  server.setErrorHandler((thrown, request, reply) => {
    const error = fromFramework(thrown);
    return sendRefusal(reply, statusOfError(error), error, contextOf(deps, request));
  });
  addRoutes(server, door);
}

function addRoutes(server: FastifyInstance, door: HttpDoor): void {
  server.route({
    method: ['GET', 'POST'],
    url: graphqlPath,
    exposeHeadRoute: false,
    handler: (request, reply) => answer(door, { request, reply, context: contextOf(door.deps, request) }),
  });
  server.options(graphqlPath, async (request, reply) => answerPreflight(request, reply));
  server.put(graphqlPath, async (request, reply) => answerReservation(door, reply, contextOf(door.deps, request)));
  server.delete(graphqlPath, async (request, reply) => {
    stopOperation(door, request, contextOf(door.deps, request));
    return reply.code(200).send();
  });
  const others = METHODS.filter((method) => !['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'CONNECT'].includes(method));
  for (const method of others) if (!server.supportedMethods.includes(method)) server.addHttpMethod(method);
  server.route({
    method: others,
    url: graphqlPath,
    handler: (request, reply) => {
      const error = badInput([], 'METHOD_NOT_ALLOWED', `Expected one of ${allowedMethods}`);
      return sendRefusal(reply.header('allow', allowedMethods), 405, error, contextOf(door.deps, request));
    },
  });
}

function answer(door: HttpDoor, exchange: Exchange): FastifyReply | Promise<unknown> {
  const { request, context } = exchange;
  if (request.method === 'GET') {
    if (request.headers.accept?.includes('text/html')) return answerWithYoga(door, exchange, context);
    const token = readStreamToken(request);
    if (token !== undefined && !namesDocument(request.query)) {
      openReservedStream(door, { token, reply: exchange.reply, context });
      return exchange.reply;
    }
    if (context.caller === null) refuseCrossSite(request);
    return execute(door, exchange, readQueryString(request.query));
  }
  return isMultipart(request) ? answerForm(door, exchange) : execute(door, exchange, readParams(request.body));
}

async function answerForm(door: HttpDoor, exchange: Exchange): Promise<unknown> {
  const { request, context } = exchange;
  if (context.caller === null) {
    refuseCrossSite(request);
    throw unauthenticated();
  }
  const { uploads, config } = door.deps;
  using form = await uploads.read(request.raw, { maxBytes: config.BULKCAST_MAX_UPLOAD_BYTES });
  return await execute(door, exchange, readParams(readMultipartParams(form)));
}

/** Answers with JSON where the client takes it; streams, and what else it may want, are yoga's to negotiate. */
async function execute(door: HttpDoor, exchange: Exchange, params: Params): Promise<unknown> {
  const { request, reply, context } = exchange;
  const type = negotiate(request.headers.accept);
  const token = readStreamToken(request);
  if (token !== undefined) {
    const refused = startOperation(door, { token, method: request.method, params, context });
    if (refused === undefined) return reply.code(202).send();
    return sendResult(reply, presentResult(refused, context), 'application/graphql-response+json');
  }
  const result = type && (await runOperation(door, { method: request.method, params, context }));
  if (type !== undefined && result !== undefined) return sendResult(reply, presentResult(result, context), type);
  const { documentId: _, ...given } = { ...params, query: door.documents.textOf(params) };
  return answerWithYoga(door, exchange, { ...context, given });
}

function sendResult(reply: FastifyReply, result: ExecutionResult, type: MediaType): FastifyReply {
  const status = statusOf(result, type);
  if (status === 405) reply.header('allow', 'POST');
  return reply
    .code(status)
    .type(`${type}; charset=utf-8`)
    .send(JSON.stringify(showResult(result)));
}

async function answerWithYoga(
  door: HttpDoor,
  { request, reply, context }: Exchange,
  given: Omit<ServerContext, 'opened'>,
): Promise<unknown> {
  const opened: NonNullable<ServerContext['opened']> = { subscription: undefined };
  const response = await door.yoga.handleNodeRequestAndResponse(request.raw, reply.raw, { ...given, opened });
  if (response.status === 406) {
    const expected = 'application/graphql-response+json, application/json, or text/event-stream for a subscription';
    return sendRefusal(reply, 406, badInput([], 'NOT_ACCEPTABLE', `Accept one of ${expected}`), context);
  }
  const { subscription } = opened;
  if (subscription === undefined) return response;
  streamEvents({ request, reply, context, subscription }, door);
  return reply;
}

function contextOf(deps: GatewayDeps, request: FastifyRequest): Context {
  const caller = request.getDecorator<Caller | null>(callerKey);
  return { deps: depsOf(deps, caller), caller, requestId: request.id, transport: 'http' };
}

/** JSON is read whole, up to the server's body limit; a form is left to be read while it arrives. */
function takeBodies(server: FastifyInstance): void {
  const parseJson = server.getDefaultJsonParser('ignore', 'ignore');
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body: string, done) => {
    try {
      checkJson(body);
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
