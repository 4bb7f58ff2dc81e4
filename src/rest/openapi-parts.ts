import { z } from 'zod';
import { itemSchemaOf } from '../tasks/input.ts';
import { taskPriorities } from '../tasks/state.ts';

/** A JSON Schema of OpenAPI 3.1, or a part of the document that holds some. */
export type JsonSchema = z.core.JSONSchema.BaseSchema;
/** By path, then by method. */
export type Paths = Record<string, Record<string, object>>;

/** Turns zod schemas into parts of one document; what has a name lands in its components. */
export interface Printer {
  /** As a client writes it. */
  input(schema: z.ZodType): JsonSchema;
  /** As it is answered: a reference to a component of this name. */
  answer(name: string, schema: z.ZodType): JsonSchema;
  readonly components: Readonly<Record<string, JsonSchema>>;
}

/** A printer for one document. */
export function createPrinter(): Printer {
  const components: Record<string, JsonSchema> = {};
  const print = (schema: z.ZodType, io: 'input' | 'output'): JsonSchema => {
    const printed = z.toJSONSchema(schema, {
      io,
      unrepresentable: 'any',
      override({ zodSchema, jsonSchema }) {
        const item = zodSchema instanceof z.ZodType ? itemSchemaOf(zodSchema) : undefined;
        if (item !== undefined) jsonSchema.items = print(item, io);
        if (jsonSchema.graphql === 'File') Object.assign(jsonSchema, { type: 'string', format: 'binary' });
        if (jsonSchema.graphql === 'JSON') jsonSchema.additionalProperties = true;
        if (jsonSchema.format === 'date-time') delete jsonSchema.pattern;
        for (const key of ['id', 'graphql', 'item']) delete jsonSchema[key];
      },
    });
    const { $schema: _, $defs = {}, ...rest } = printed;
    for (const [name, definition] of Object.entries($defs)) {
      // zod numbers what has no name; the override above leaves nothing that refers to it.
      if (!name.startsWith('__')) components[name] = withComponentRefs(definition);
    }
    return withComponentRefs(rest);
  };
  return {
    input: (schema) => print(schema, 'input'),
    answer(name, schema) {
      components[name] ??= print(schema, 'output');
      return { $ref: `#/components/schemas/${name}` };
    },
    components,
  };
}

/** One answer of an operation. */
export function answers(description: string, schema: JsonSchema, type = 'application/json'): object {
  return { description, content: { [type]: { schema } } };
}

/** The JSON body of an operation; `optional` where a request may come without one. */
export function jsonBody(schema: JsonSchema, need: 'required' | 'optional'): object {
  return { required: need === 'required', content: { 'application/json': { schema } } };
}

/** One parameter of an operation; one in the path is required. */
export function parameter(
  place: 'path' | 'query' | 'header',
  name: string,
  schema: object,
  description: string,
): object {
  return { name, in: place, required: place === 'path', schema, description };
}

/** The headers of every start. */
export const startHeaders = [
  parameter(
    'header',
    'Idempotency-Key',
    { type: 'string', minLength: 1, maxLength: 255 },
    'Makes the request safe to repeat: the same key and body give the same task, the same key with another body 422.',
  ),
  parameter(
    'header',
    'X-Task-Priority',
    { type: 'string', enum: Object.keys(taskPriorities), default: 'NORMAL' },
    "Which of the project's own tasks go first.",
  ),
];

const text = { type: 'string' };

/** Headers of an answer, by name. */
export type Headers = Readonly<Record<string, { readonly description: string; readonly schema: object }>>;

/** One answer with its headers. */
export function withHeaders(answer: object, headers: Headers): object {
  return { ...answer, headers };
}

/** The headers of every start. */
export const pollLocation: Headers = {
  Location: { description: 'The absolute URL to poll the task at.', schema: { ...text, format: 'uri' } },
  'Operation-Location': { description: 'The same.', schema: { ...text, format: 'uri' } },
};

/** What every poll may be given. */
export const pollParameters = [
  parameter('header', 'If-None-Match', text, 'The ETag of an answer before: 304 while nothing is newer.'),
  parameter(
    'header',
    'Prefer',
    { ...text, examples: ['wait=20'] },
    'wait=N holds the answer until the task is newer than If-None-Match, or else than now; for N seconds at most, up to 60.',
  ),
];

const preferenceApplied: Headers = {
  'Preference-Applied': { description: 'The wait that was granted, where one was preferred.', schema: text },
};

/** Adds to the answers of a poll what those with a body and those without one have in common. */
export function pollAnswers(ok: object): Record<number, object> {
  const headers: Headers = {
    ETag: { description: 'The version of the task; another one to a watch token.', schema: text },
    'Cache-Control': {
      description: 'May be kept by the client alone, and is to be asked for each time.',
      schema: text,
    },
    'Retry-After': {
      description: 'In how many seconds to ask again: 1 to 30, by the rate of the task; none once it has ended.',
      schema: { type: 'integer', minimum: 1, maximum: 30 },
    },
    ...preferenceApplied,
  };
  return { 200: withHeaders(ok, headers), 304: { description: 'Nothing is newer than If-None-Match.', headers } };
}

/** What every stream of events may be given. */
export const eventParameters = [
  parameter('header', 'Last-Event-ID', text, 'The version to go on after; an EventSource sends it by itself.'),
  parameter('query', 'last_event_id', text, 'The same, for who cannot set the header.'),
  parameter('query', 'access_token', text, 'A watch token, for an EventSource, which cannot set headers.'),
];

/** The answers of a stream of events, each of which has the body of a poll. */
export function eventAnswers(body: JsonSchema): Record<number, object> {
  const description =
    'Events `next`: `id` is the version, `data` the body of a poll; versions only grow. After the final one comes `complete`, ' +
    'and the stream ends. Comments in between keep the connection alive.';
  const ok = { description, content: { 'text/event-stream': { schema: text, 'x-event-data': body } } };
  const position = { description: 'The version after which the stream goes on, where one was given.', schema: text };
  return {
    200: withHeaders(ok, { 'X-Resumed-After': position }),
    204: { description: 'There is nothing after Last-Event-ID, and never will be: do not come back.' },
  };
}

function withComponentRefs(schema: JsonSchema): JsonSchema {
  return JSON.parse(JSON.stringify(schema).replaceAll('"#/$defs/', '"#/components/schemas/'));
}
