import type { Answer, Headers, Operation, Paths, Reference } from './openapi-parts.ts';

/** What an operation is, as far as its refusals depend on it. */
export interface Traits {
  readonly isPublic: boolean;
  readonly hasPathParameter: boolean;
  readonly hasQueryParameter: boolean;
  /** Its method may come with a body, also where none is read. */
  readonly takesBody: boolean;
  /** It is a start that may be repeated. */
  readonly hasIdempotencyKey: boolean;
}

/** What the answers of one wire model have in common. */
export interface DoorAnswers {
  /** Begins the names of its shared answers in the components. */
  readonly name: string;
  /** Headers of every answer. */
  readonly headers: Headers;
  readonly refusals: readonly { readonly status: number; readonly answer: Answer; when(traits: Traits): boolean }[];
}

/** The paths with the refusals and headers that follow from what their operations are, and a HEAD for each GET that has a body. What
 *  the answers share lands in `components`. */
export function completePaths(
  paths: Paths,
  door: DoorAnswers,
  components: { responses: Record<string, Answer>; headers: Record<string, Headers[string]> },
): Paths {
  const headers = shareHeaders(door.headers, components.headers);
  const refusals = door.refusals.map(({ status, answer, when }) => {
    const name = `${door.name}.${status}`;
    components.responses[name] ??= { ...answer, headers: { ...answer.headers, ...headers } };
    return { status, when, shared: { $ref: `#/components/responses/${name}` } };
  });
  const complete = (method: string, operation: Operation): Operation => {
    const traits = traitsOf(method, operation);
    const implied = refusals.filter(({ when }) => when(traits)).map(({ status, shared }) => [status, shared] as const);
    const told = Object.entries(operation.responses).map(([status, answer]) => {
      return [status, '$ref' in answer ? answer : { ...answer, headers: { ...answer.headers, ...headers } }] as const;
    });
    return { ...operation, responses: Object.fromEntries([...implied, ...told]) };
  };
  const completed: Paths = {};
  for (const [path, operations] of Object.entries(paths)) {
    const entries = Object.entries(operations).map(
      ([method, operation]) => [method, complete(method, operation)] as const,
    );
    const all: Paths[string] = Object.fromEntries(entries);
    if (all.get !== undefined && !isStream(all.get)) all.head = headOf(all.get);
    completed[path] = all;
  }
  return completed;
}

function shareHeaders(headers: Headers, shared: Record<string, Headers[string]>): Record<string, Reference> {
  for (const [name, header] of Object.entries(headers)) shared[name] ??= header;
  return Object.fromEntries(
    Object.keys(headers).map((name) => [name, { $ref: `#/components/headers/${name}` }] as const),
  );
}

function traitsOf(method: string, { security, parameters = [] }: Operation): Traits {
  return {
    isPublic: security !== undefined,
    hasPathParameter: parameters.some((parameter) => parameter.in === 'path'),
    hasQueryParameter: parameters.some((parameter) => parameter.in === 'query'),
    takesBody: method !== 'get',
    hasIdempotencyKey: parameters.some(({ name }) => name === 'Idempotency-Key'),
  };
}

/** An event stream has no head to ask for. */
function isStream({ responses }: Operation): boolean {
  const ok = responses[200];
  return ok !== undefined && 'content' in ok && ok.content?.['text/event-stream'] !== undefined;
}

function headOf(operation: Operation): Operation {
  const responses = Object.entries(operation.responses).map(([status, answer]) => {
    if ('$ref' in answer) return [status, answer] as const;
    const { content: _, ...head } = answer;
    return [status, head] as const;
  });
  return {
    ...operation,
    operationId: `${operation.operationId}-head`,
    summary: 'The same without the body.',
    responses: Object.fromEntries(responses),
  };
}
