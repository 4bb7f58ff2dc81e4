import { GraphQLError, type GraphQLErrorExtensions } from 'graphql';
import { toClientError } from '../errors.ts';
import type { Context } from './context.ts';

/** The codes of this door besides those of errors.ts. */
export const graphqlErrors = [
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'OPERATION_RESOLUTION_FAILURE',
  'DOCUMENT_NOT_TRUSTED',
  'PERSISTED_QUERY_NOT_SUPPORTED',
  'QUERY_TOO_COMPLEX',
  'TOO_MANY_OPERATIONS',
  'INTERNAL_SERVER_ERROR',
] as const;

/** Whose errors are presented: the same object for all of one operation. */
export type Asked = Pick<Context, 'deps' | 'requestId' | 'transport'>;

/** Whom an outage was logged for: an operation has many errors, and a subscription many results. */
const outagesLogged = new WeakSet<Asked>();

/**
 * The error as a client may see it: with a code and the request's id; a bug or an outage as "Unexpected error". The cause of these,
 * and of UNAVAILABLE once for whom it is presented to, is logged. An error that was presented already stays as it is.
 */
export function presentError(error: unknown, asked: Asked, transport = asked.transport): GraphQLError {
  const { message, extensions, http } = describe(error, asked);
  const { nodes, source, positions, path } = error instanceof GraphQLError ? error : new GraphQLError(message);
  // Yoga takes the status of an answer without data from here, and does not show it.
  const hint = transport === 'http' && http !== undefined ? { http } : {};
  return new GraphQLError(message, {
    nodes,
    source,
    positions,
    path,
    extensions: { ...extensions, requestId: asked.requestId, ...hint },
  });
}

/** A result with its errors as a client may see them. */
export function presentResult<Result extends { readonly errors?: readonly unknown[]; readonly data?: unknown }>(
  result: Result,
  asked: Asked,
  transport = asked.transport,
): Result {
  if (result.errors === undefined) return result;
  return { ...result, errors: result.errors.map((error) => presentError(error, asked, transport)) };
}

/** An error as JSON, for answers that no GraphQL server made. */
export function errorBody(error: unknown, asked: Asked): { readonly errors: readonly object[] } {
  const { message, extensions } = presentError(error, asked, 'websocket');
  return { errors: [{ message, extensions }] };
}

interface Description {
  readonly message: string;
  readonly extensions: { readonly code: unknown; readonly retryAfter?: number };
  readonly http: GraphQLErrorExtensions['http'];
}

function describe(error: unknown, asked: Asked): Description {
  const cause = rootCause(error);
  const known = toClientError(cause);
  if (known !== undefined) {
    const { message, code, retryAfter, status } = known;
    if (code === 'UNAVAILABLE' && known.cause !== undefined) logOutage(known.cause, asked);
    return {
      message,
      extensions: retryAfter === undefined ? { code } : { code, retryAfter },
      http: { spec: true, status },
    };
  }
  if (cause instanceof GraphQLError && isOfTheRequest(error, cause)) {
    const { code = 'BAD_USER_INPUT', http = { spec: true, status: 400 } } = cause.extensions;
    // Only what wraps a scalar's complaint says where in the variables or the argument it is.
    const message = error instanceof GraphQLError ? error.message : cause.message;
    return { message, extensions: { code: code === 'BAD_REQUEST' ? 'BAD_USER_INPUT' : code }, http };
  }
  asked.deps.log.error('graphql.failed', { request: asked.requestId, error: cause });
  return { message: 'Unexpected error', extensions: { code: 'INTERNAL_SERVER_ERROR' }, http: { status: 500 } };
}

function logOutage(error: unknown, asked: Asked): void {
  if (outagesLogged.has(asked)) return;
  outagesLogged.add(asked);
  asked.deps.log.warn('request.unavailable', { request: asked.requestId, route: '/graphql', error });
}

/** GraphQL's own errors about the document, its variables and arguments; not those about what a resolver returned. */
function isOfTheRequest(error: unknown, cause: GraphQLError): boolean {
  const isExecuting = error instanceof GraphQLError && error.path !== undefined;
  return !isExecuting || cause.extensions.code !== undefined || (error !== cause && cause.nodes !== undefined);
}

/** What was thrown first; both GraphQL servers wrap it. */
function rootCause(error: unknown): unknown {
  if (!(error instanceof GraphQLError)) return error;
  const inner = error.originalError ?? error.cause;
  return inner === undefined ? error : rootCause(inner);
}
