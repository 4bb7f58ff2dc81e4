import { badInput } from '../../errors.ts';
import { parameter } from '../openapi-parts.ts';
import { invalidQuery } from './refusals.ts';

const defaultLimit = 10;
const maxLimit = 100;
/** As deep as the provider lets a client page. */
const maxPage = 100_000;

/** What a list's query parameters may say of its pages. */
export interface PageQuery {
  readonly limit?: unknown;
  readonly page?: unknown;
}

/** Reads `limit` (1 to 100, default 10) and `page` (from 1). Throws BAD_USER_INPUT, told as `invalid_query_params`. */
export function readPage(query: PageQuery): { readonly limit: number; readonly page: number } {
  return { limit: readLimit(query.limit), page: readInteger('page', query.page, 1, maxPage) };
}

/** Reads `limit` alone. Throws as `readPage` does. */
export function readLimit(given: unknown): number {
  return readInteger('limit', given, defaultLimit, maxLimit);
}

/** For the OpenAPI document. */
export const pageParameters: readonly object[] = [
  parameter('query', 'limit', { type: 'integer', minimum: 1, maximum: maxLimit, default: defaultLimit }, 'Page size.'),
  parameter('query', 'page', { type: 'integer', minimum: 1, maximum: maxPage, default: 1 }, 'Which page, from 1.'),
];

/** A query parameter that is not valid: `Property .<name> <problem>`. */
export function invalidParameter(name: string, problem: string) {
  return badInput([name], invalidQuery, `Property .${name} ${problem}`);
}

function readInteger(name: string, given: unknown, fallback: number, max: number): number {
  if (given === undefined) return fallback;
  const value = typeof given === 'string' && /^-?\d{1,15}$/.test(given) ? Number(given) : undefined;
  if (value === undefined) throw invalidParameter(name, 'should be integer');
  if (value < 1) throw invalidParameter(name, 'cannot be lower than 1');
  if (value > max) throw invalidParameter(name, `cannot be greater than ${max}`);
  return value;
}
