import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { toClientError } from './errors.ts';
import type { Log } from './log.ts';
import { discardBody } from './request-body.ts';
import { newRequestId } from './tasks/ids.ts';

export const problemType = 'application/problem+json';

/** What is wrong, as problem details (RFC 9457): the shape of every path that belongs to neither wire contract. */
export interface Problem {
  readonly type: 'about:blank';
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** As in the header `x-request-id` and in the log. */
  readonly requestId: string;
}

export function createProblem(status: number, detail: string, requestId: string): Problem {
  return { type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, detail, requestId };
}

/** The methods that a path has, by its exact text. */
export function methodsOf(server: FastifyInstance, url: string): string[] {
  const [path = ''] = url.split('?', 1);
  return ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT'].filter((method) =>
    server.hasRoute({ url: path, method }),
  );
}

/** For a server that has no wire contract at all: all that is refused there is told as problem details. */
export function refuseWithProblems(server: FastifyInstance, log: Log): void {
  const send = (reply: FastifyReply, status: number, detail: string) => {
    const { id } = reply.request;
    return reply
      .code(status)
      .header('x-request-id', id)
      .type(problemType)
      .send(JSON.stringify(createProblem(status, detail, id)));
  };
  const refuseUnknown = (request: FastifyRequest, reply: FastifyReply) => {
    const allowed = methodsOf(server, request.url).join(', ');
    discardBody(request.raw);
    if (allowed === '') return send(reply, 404, 'There is nothing at this path');
    return send(reply.header('allow', allowed), 405, `Use ${allowed}`);
  };
  server.setNotFoundHandler(refuseUnknown);
  // Before a body is read for nothing.
  server.addHook('onRequest', (request, reply, done) => {
    if (request.is404) refuseUnknown(request, reply);
    else done();
  });
  server.setErrorHandler((error, request, reply) => {
    const known = toClientError(error);
    if (known !== undefined) return send(reply, known.status, known.message);
    log.error('request.failed', { request: request.id, method: request.method, error });
    return send(reply, 500, `Something went wrong; request ${request.id}`);
  });
}

/** For Fastify's `clientErrorHandler`: answers what is no HTTP request at all, has too large a head or takes too long to come. */
export function answerUnreadable(log: Log): (error: NodeJS.ErrnoException, socket: Socket) => void {
  return (error, socket) => {
    if (error.code === 'ECONNRESET' || socket.destroyed) return;
    const requestId = newRequestId();
    const [status, detail] = describe(error.code);
    log.debug('request.unreadable', { request: requestId, status, code: error.code });
    if (socket.writable && !isAnswering(socket)) socket.write(toHttp(createProblem(status, detail, requestId)));
    socket.destroy();
  };
}

function describe(code: string | undefined): [status: number, detail: string] {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return [408, 'The request did not come in time'];
    case 'HPE_HEADER_OVERFLOW':
      return [431, 'The headers are larger than this server takes'];
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return [413, 'The chunk extensions are larger than this server takes'];
    default:
      return [400, 'This is not a valid HTTP request'];
  }
}

/** Node keeps the answer that a socket is in the middle of there: nothing else may be written then. */
function isAnswering(socket: Socket): boolean {
  const answer: unknown = Reflect.get(socket, '_httpMessage');
  return typeof answer === 'object' && answer !== null && 'headersSent' in answer && answer.headersSent === true;
}

/** A whole answer, for a socket that no HTTP server answers on. */
export function toHttp(problem: Problem): string {
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${problem.title}`,
    'connection: close',
    `content-type: ${problemType}`,
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${problem.requestId}`,
  ];
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}
