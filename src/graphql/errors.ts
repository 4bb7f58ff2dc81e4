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

type Asked = Pick<Context, 'deps' | 'requestId' | 'transport'>;

/**
 * The error as a client may see it: with a code and the request's id; a bug or an outage as "Unexpected error", its cause
 * logged. An error that was presented already stays as it is.
 */
export function presentError(error: unknown, asked: Asked): GraphQLError {
  const cause = rootCause(error);
  const known = toClientError(cause);
  if (known !== undefined) {
    const { code, retryAfter, status } = known;
    const extensions = retryAfter === undefined ? { code } : { code, retryAfter };
    return show(known.message, extensions, error, asked, { spec: true, status });
  }
  if (cause instanceof GraphQLError && isOfTheRequest(error, cause)) {
    const { code = 'BAD_USER_INPUT', http = { spec: true, status: 400 } } = cause.extensions;
    const extensions = { code: code === 'BAD_REQUEST' ? 'BAD_USER_INPUT' : code };
    return show(cause.message, extensions, error, asked, http);
  }
  asked.deps.log.error('graphql.failed', { request: asked.requestId, error: cause });
  return show('Unexpected error', { code: 'INTERNAL_SERVER_ERROR' }, error, asked, { status: 500 });
}

/** A result with its errors as a client may see them. */
export function presentResult<Result extends { readonly errors?: readonly unknown[]; readonly data?: unknown }>(
  result: Result,
  asked: Asked,
): Result {
  if (result.errors === undefined) return result;
  return { ...result, errors: result.errors.map((error) => presentError(error, asked)) };
}

/** An error as JSON, for answers that no GraphQL server made. */
export function errorBody(error: unknown, asked: Asked): { readonly errors: readonly object[] } {
  const { message, extensions } = presentError(error, { ...asked, transport: 'websocket' });
  return { errors: [{ message, extensions }] };
}

function show(
  message: string,
  extensions: { readonly code: unknown; readonly retryAfter?: number },
  error: unknown,
  asked: Asked,
  http: GraphQLErrorExtensions['http'],
): GraphQLError {
  const { nodes, source, positions, path } = error instanceof GraphQLError ? error : new GraphQLError(message);
  // Yoga takes the status of an answer without data from here, and does not show it.
  const hint = asked.transport === 'http' && http !== undefined ? { http } : {};
  return new GraphQLError(message, {
    nodes,
    source,
    positions,
    path,
    extensions: { ...extensions, requestId: asked.requestId, ...hint },
  });
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
