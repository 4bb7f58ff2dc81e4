import type { ExecutionResult, GraphQLError, GraphQLFormattedError } from 'graphql';
import type { MediaType } from './media-types.ts';

/**
 * The status of a result. One with data is 200; one without has the greatest of its errors', which `application/json` knows only
 * of errors that are not GraphQL's own (GraphQL over HTTP, section 6.4).
 */
export function statusOf({ data, errors = [] }: ExecutionResult, type: MediaType): number {
  if (errors.length === 0 || (data !== undefined && data !== null)) return 200;
  const hints = errors.map(hintOf).filter(({ isSpec }) => !isSpec || type !== 'application/json');
  return Math.max(200, ...hints.map(({ status }) => status));
}

/** The result as it is told: without the hints on its status. */
export function showResult(result: ExecutionResult): ExecutionResult | { errors: GraphQLFormattedError[] } {
  const { errors, ...rest } = result;
  if (errors === undefined) return result;
  return { errors: errors.map(showError), ...rest };
}

/** The status that an error brings when it is thrown before anything runs. */
export function statusOfGraphqlError(error: GraphQLError): number {
  const { status } = hintOf(error);
  return status > 200 ? status : 400;
}

function showError(error: GraphQLError): GraphQLFormattedError {
  const shown = error.toJSON();
  const { http: _http, ...extensions } = { ...shown.extensions };
  return { ...shown, extensions };
}

function hintOf({ extensions }: GraphQLError): { readonly status: number; readonly isSpec: boolean } {
  const http: unknown = extensions.http;
  const status = typeof http === 'object' && http !== null && 'status' in http ? http.status : undefined;
  const isSpec = typeof http === 'object' && http !== null && 'spec' in http && http.spec === true;
  return { status: typeof status === 'number' ? status : 200, isSpec };
}
