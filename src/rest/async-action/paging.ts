import { readWireDate } from '../../domain/dates.ts';
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

/** `limit` alone, for the OpenAPI document. */
export const limitParameter = parameter(
  'query',
  'limit',
  { type: 'integer', minimum: 1, maximum: maxLimit, default: defaultLimit },
  'Page size.',
);

/** Both, for the OpenAPI document. */
export const pageParameters = [
  limitParameter,
  parameter('query', 'page', { type: 'integer', minimum: 1, maximum: maxPage, default: 1 }, 'Which page, from 1.'),
];

/** A query parameter that is not valid: `Property .<name> <problem>`. */
export function invalidParameter(name: string, problem: string) {
  return badInput([name], invalidQuery, `Property .${name} ${problem}`);
}

/** A query parameter that is given once, or not at all. Throws as `readPage` does. */
export function readText(query: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const given = query[name];
  if (given === undefined || typeof given === 'string') return given;
  throw invalidParameter(name, 'should be string');
}

/** The same for a moment. */
export function readDate(query: Readonly<Record<string, unknown>>, name: string): Date | undefined {
  const given = readText(query, name);
  if (given === undefined) return undefined;
  const date = readWireDate(given);
  if (date === undefined) throw invalidParameter(name, 'cannot be recognized as a ISO-8601 compliant date');
  return date;
}

/** The same for one of several words. */
export function readChoice<const Choice extends string>(
  query: Readonly<Record<string, unknown>>,
  name: string,
  choices: readonly Choice[],
): Choice | undefined {
  const given = query[name];
  if (given === undefined) return undefined;
  const choice = choices.find((candidate) => candidate === given);
  if (choice === undefined) throw invalidParameter(name, `must be equal to one of ${choices.join(',')}`);
  return choice;
}

function readInteger(name: string, given: unknown, fallback: number, max: number): number {
  if (given === undefined) return fallback;
  const value = typeof given === 'string' && /^-?\d{1,15}$/.test(given) ? Number(given) : undefined;
  if (value === undefined) throw invalidParameter(name, 'should be integer');
  if (value < 1) throw invalidParameter(name, 'cannot be lower than 1');
  if (value > max) throw invalidParameter(name, `cannot be greater than ${max}`);
  return value;
}
