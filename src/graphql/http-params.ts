import { badInput, ClientError } from '../errors.ts';
import { checkJson } from '../json-text.ts';
import { checkLength } from './limits.ts';

/** The parameters of a GraphQL request, as the GraphQL-over-HTTP specification names them. */
export interface Params {
  /** Empty where the document is named and not sent. */
  readonly query: string;
  readonly documentId?: string;
  readonly operationName?: string;
  readonly variables?: Record<string, unknown>;
  readonly extensions?: Record<string, unknown>;
}

const names = ['query', 'documentId', 'operationName', 'variables', 'extensions'];

/** The parameters of a body. Throws BAD_USER_INPUT. */
export function readParams(body: unknown): Params {
  if (Array.isArray(body))
    throw badInput([], 'BATCHING', 'Expected one operation, got a list: batching is not supported');
  if (!isMap(body)) throw badInput([], 'INVALID_TYPE', 'Expected a JSON object with a query');
  for (const [name, value] of Object.entries(body)) {
    if (!isAbsent(value) && !names.includes(name)) throw badInput([name], 'UNKNOWN', `Unexpected parameter "${name}"`);
  }
  const { documentId, operationName, variables, extensions } = body;
  return {
    query: readQuery(body),
    ...(isAbsent(documentId) ? {} : { documentId: readText('documentId', documentId) }),
    ...(isAbsent(operationName) ? {} : { operationName: readText('operationName', operationName) }),
    ...(isAbsent(variables) ? {} : { variables: readMap('variables', variables) }),
    ...(isAbsent(extensions) ? {} : { extensions: readMap('extensions', extensions) }),
  };
}

/** The parameters in the query string of a GET; what else stands there is left alone. Throws BAD_USER_INPUT. */
export function readQueryString(parameters: unknown): Params {
  const given = new Map<string, unknown>(Object.entries(Object(parameters)));
  const textOf = (name: string) => (given.get(name) === '' ? undefined : given.get(name));
  return readParams({
    query: textOf('query'),
    documentId: textOf('documentId'),
    operationName: textOf('operationName'),
    variables: parseJson('variables', textOf('variables')),
    extensions: parseJson('extensions', textOf('extensions')),
  });
}

/** Whether the query string of a GET asks for an operation at all. */
export function namesDocument(parameters: unknown): boolean {
  return ['query', 'documentId', 'extensions'].some((name) => Object.hasOwn(Object(parameters), name));
}

function readQuery({ query, documentId, extensions }: Record<string, unknown>): string {
  const isNamed = !isAbsent(documentId) || (isMap(extensions) && isMap(extensions.persistedQuery));
  if (isNamed && (isAbsent(query) || query === '')) return '';
  if (typeof query !== 'string' || query === '') throw badInput(['query'], 'REQUIRED', 'Expected a query, as a string');
  checkLength(query);
  return query;
}

function parseJson(name: string, text: unknown): unknown {
  if (typeof text !== 'string') return text;
  checkJson(text);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ClientError('BAD_USER_INPUT', `The parameter ${name} is not JSON`, { cause });
  }
}

function readText(name: string, value: unknown): string {
  if (typeof value !== 'string') throw badInput([name], 'INVALID_TYPE', `Expected ${name} as a string`);
  return value;
}

function readMap(name: string, value: unknown): Record<string, unknown> {
  if (!isMap(value)) throw badInput([name], 'INVALID_TYPE', `Expected ${name} as an object`);
  return value;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isAbsent(value: unknown): value is null | undefined {
  return value === null || value === undefined;
}
