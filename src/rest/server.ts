import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { GatewayDeps } from '../deps.ts';
import { ClientError } from '../errors.ts';
import type { Log } from '../log.ts';
import { createProblem, methodsOf, problemType } from '../problems.ts';
import type { Snapshot } from '../tasks/snapshot.ts';
import { describeWithResult } from './async-action/action-bodies.ts';
import { limitStyle, toVoucherify } from './async-action/refusals.ts';
import { registerAsyncActions } from './async-action/routes.ts';
import { isIssuanceOf } from './bulk-issuance/find-issuance.ts';
import { isStreamed, issuanceModel } from './bulk-issuance/issuance-bodies.ts';
import { toFastApi } from './bulk-issuance/refusals.ts';
import { registerBulkIssuance } from './bulk-issuance/routes.ts';
import { registerDocs } from './docs/routes.ts';
import { type Refusal, type Shape, sendRefusal, toRefusal } from './door.ts';
import { answerPollsFirst } from './fast-polls.ts';
import { createPollBodies } from './poll-bodies.ts';
import { openTaskEvents } from './task-events.ts';

/**
 * Opens the two old doors, each in the shapes of its contract: `/v1` (async actions) and `/v2` (bulk issuance). What is
 * refused elsewhere, where no other door has shapes of its own, is told as problem details (RFC 9457). `stop` answers the polls
 * that wait and cuts the streams off; it may be called twice.
 */
export async function registerRest(server: FastifyInstance, deps: GatewayDeps): Promise<{ stop(): Promise<void> }> {
  const events = openTaskEvents(deps);
  const actions = createPollBodies({ describe: (task, isConfined) => describeWithResult(deps, task, isConfined) });
  const issuances = createPollBodies(issuanceModel(deps));
  server.addHook('onResponse', (request, reply, done) => {
    if (reply.statusCode >= 400) tellRefused(deps.log, request, reply);
    done();
  });
  const refuseUnknown = (request: FastifyRequest, reply: FastifyReply) => {
    const allowed = methodsOf(server, request.url);
    const refusal: Refusal = allowed.length > 0 ? { kind: 'method_not_allowed', allowed } : { kind: 'unknown_path' };
    return sendProblem(refusal, request, reply);
  };
  server.setNotFoundHandler(refuseUnknown);
  server.setErrorHandler((error, request, reply) => sendProblem(toRefusal(error, request, deps), request, reply));
  registerDocs(server);
  await server.register((scope) => registerAsyncActions(scope, deps, { bodies: actions, events }), {
    prefix: '/v1',
  });
  await server.register((scope) => registerBulkIssuance(scope, deps, { bodies: issuances, events }), { prefix: '/v2' });
  // Before a body is read for nothing; after the doors above, which refuse in shapes of their own.
  server.addHook('onRequest', (request, reply, done) => {
    if (request.is404) refuseUnknown(request, reply);
    else done();
  });
  answerPollsFirst(server.server, deps, [
    { path: actionPath, scope: 'async-actions', limitStyle, bodies: actions, isReady: isStartedAction },
    { path: issuancePath, bodies: issuances, isReady: (task, programId) => isReadyIssuance(deps, task, programId) },
  ]);
  return {
    stop: () => {
      deps.polled.stop();
      return events.stop();
    },
  };
}

/** Every door's refusals can be found by the id that they were answered with. */
function tellRefused(log: Log, { id, method, routeOptions }: FastifyRequest, { statusCode }: FastifyReply): void {
  log.debug('request.refused', { request: id, method, route: routeOptions.url, status: statusCode });
}

const actionPath = /^\/v1\/async-actions\/(?<id>aa_[0-9a-f]{18})$/;
const issuancePath = /^\/v2\/giftcards\/programs\/(?<programId>[0-9a-f]{24})\/cards\/bulk\/(?<id>[0-9a-f-]{36})$/;

/** A QUEUED action is given a moment to start. */
function isStartedAction({ model, state }: Snapshot): boolean {
  return model === 'ASYNC_ACTION' && state !== 'QUEUED';
}

function isReadyIssuance(deps: GatewayDeps, task: Snapshot, programId: string | undefined): boolean {
  return isIssuanceOf(task, programId) && !isStreamed(deps, task);
}

/** For Fastify's `frameworkErrors`: answers a path that cannot be decoded, before it is routed, in the shape of its door. */
export function answerUnreadablePath(
  log: Log,
): (error: Error, request: FastifyRequest, reply: FastifyReply) => FastifyReply {
  return (error, request, reply) => {
    const isTooLong = 'code' in error && error.code === 'FST_ERR_MAX_PARAM_LENGTH';
    const refusal: Refusal = isTooLong
      ? { kind: 'unknown_path' }
      : { kind: 'client_error', error: new ClientError('BAD_USER_INPUT', 'The path is not valid percent-encoding') };
    tellRefused(log, request, reply.code(isTooLong ? 404 : 400));
    return sendRefusal(refusal, shapeOf(request.url), request, reply);
  };
}

function shapeOf(url: string): Shape {
  if (url.startsWith('/v1/')) return toVoucherify;
  return url.startsWith('/v2/') ? toFastApi : toProblem;
}

function sendProblem(refusal: Refusal, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return sendRefusal(refusal, toProblem, request, reply);
}

const toProblem: Shape = (refusal, request) => {
  const problem = (status: number, detail: string) => {
    return { status, body: createProblem(status, detail, request.id), contentType: problemType };
  };
  switch (refusal.kind) {
    case 'unknown_path':
      return problem(404, 'There is nothing at this path');
    case 'method_not_allowed':
      return problem(405, `Use ${refusal.allowed.join(', ')}`);
    case 'client_error':
      return problem(refusal.error.status, refusal.error.message);
    case 'internal':
      return problem(500, `Something went wrong; request ${request.id}`);
  }
};
