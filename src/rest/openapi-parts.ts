import { z } from 'zod';
import { itemSchemaOf } from '../tasks/input.ts';
import { taskPriorities } from '../tasks/state.ts';

/** A JSON Schema of OpenAPI 3.1, or a part of the document that holds some. */
export type JsonSchema = z.core.JSONSchema.BaseSchema;
/** Points at a part among the components. */
export interface Reference {
  readonly $ref: string;
}
export interface Header {
  readonly description: string;
  readonly schema: JsonSchema;
}
/** By name. */
export type Headers = Readonly<Record<string, Header | Reference>>;

export interface Parameter extends Header {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required: boolean;
  readonly style?: string;
  readonly explode?: boolean;
}

/** By media type. */
export type Content = Readonly<Record<string, { readonly schema: JsonSchema; readonly [more: string]: unknown }>>;

export interface Answer {
  readonly description: string;
  readonly headers?: Headers;
  readonly content?: Content;
}
/** By status. */
export type Answers = Readonly<Record<string, Answer | Reference>>;

export interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly tags?: readonly string[];
  /** Empty where no credentials are asked for; without it those of the document are. */
  readonly security?: readonly [];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly required: boolean; readonly content: Content };
  readonly responses: Answers;
}
/** By path, then by method. */
export type Paths = Record<string, Record<string, Operation>>;

/** Turns zod schemas into parts of one document; what has a name lands in its components. */
export interface Printer {
  /** As a client writes it. */
  input(schema: z.ZodType): JsonSchema;
  /** As it is answered: a reference to a component of this name, to which what is printed later and holds it refers too. */
  answer(name: string, schema: z.ZodType): JsonSchema;
  readonly components: Readonly<Record<string, JsonSchema>>;
}

/** A printer for one document. */
export function createPrinter(): Printer {
  const components: Record<string, JsonSchema> = {};
  const named = new Map<unknown, JsonSchema>();
  const print = (schema: z.ZodType, io: 'input' | 'output'): JsonSchema => {
    const isRoot = (other: unknown) => other === schema;
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
        dropBoundsOfIntegers(jsonSchema);
        const told = zodSchema instanceof z.ZodType ? zodSchema.meta()?.told : undefined;
        if (told instanceof z.ZodType) replace(jsonSchema, print(told, io));
        const component = isRoot(zodSchema) ? undefined : named.get(zodSchema);
        if (component !== undefined) replace(jsonSchema, component);
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
      const component = { $ref: `#/components/schemas/${name}` };
      components[name] ??= print(schema, 'output');
      named.set(schema, component);
      return component;
    },
    components,
  };
}

/** One answer of an operation. */
export function answers(description: string, schema: JsonSchema, type = 'application/json'): Answer {
  return { description, content: { [type]: { schema } } };
}

/** The JSON body of an operation; `optional` where a request may come without one. */
export function jsonBody(schema: JsonSchema, need: 'required' | 'optional'): NonNullable<Operation['requestBody']> {
  return { required: need === 'required', content: { 'application/json': { schema } } };
}

/** One parameter of an operation; one in the path is required. */
export function parameter(place: Parameter['in'], name: string, schema: JsonSchema, description: string): Parameter {
  return { name, in: place, required: place === 'path', schema, description };
}

/** One of these words. */
export function oneOf(words: readonly string[], fallback?: string): JsonSchema {
  return { enum: [...words], ...(fallback !== undefined && { default: fallback }) };
}

/** The headers of every start. */
export const startHeaders = [
  parameter(
    'header',
    'Idempotency-Key',
    { type: 'string', minLength: 1, maxLength: 255 },
    'Makes the request safe to repeat: the same key and body give the same task, the same key with another body 422. ' +
      'Known until Idempotency-Key-Expires of the answer.',
  ),
  parameter(
    'header',
    'X-Task-Priority',
    oneOf(Object.keys(taskPriorities), 'NORMAL'),
    "Which of the project's own tasks go first.",
  ),
];

export const text = { type: 'string' } as const;

/** The header of every answer of a wire model. */
export const requestIdHeader: Headers = {
  'X-Request-Id': {
    description: 'Names the request in the log; bodies have it where the contract has a place.',
    schema: text,
  },
};

/** One answer with its headers. */
export function withHeaders(answer: Answer, headers: Headers): Answer {
  return { ...answer, headers };
}

/** The headers of every start. */
export const pollLocation: Headers = {
  Location: { description: 'The absolute URL to poll the task at.', schema: { ...text, format: 'uri' } },
  'Operation-Location': { description: 'The same.', schema: { ...text, format: 'uri' } },
  'Idempotency-Key-Expires': {
    description: 'Until when the Idempotency-Key stands for this task, as an HTTP date; none without a key.',
    schema: text,
  },
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
export function pollAnswers(ok: Answer): Answers {
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

/** What a signed link holds besides its path. */
export const linkParameters = ['expires', 'signature'].map((name) =>
  parameter('query', name, text, 'Part of the signed link.'),
);

/** What every stream of events may be given. */
export const eventParameters = [
  parameter('header', 'Last-Event-ID', text, 'The version to go on after; an EventSource sends it by itself.'),
  parameter('query', 'last_event_id', text, 'The same, for who cannot set the header.'),
  parameter('query', 'access_token', text, 'A watch token, for an EventSource, which cannot set headers.'),
];

/** The answers of a stream of events, each of which has the body of a poll. */
export function eventAnswers(body: JsonSchema): Answers {
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

/** The schema as it is for types; printed as another one, which says more. */
export function toldAs<Schema extends z.ZodType>(schema: Schema, told: z.ZodType): Schema {
  return schema.meta({ told });
}

function replace(schema: JsonSchema, other: JsonSchema): void {
  for (const key of Object.keys(schema)) delete schema[key];
  Object.assign(schema, other);
}

/** What every integer of JavaScript is bound to says nothing. */
function dropBoundsOfIntegers(schema: JsonSchema): void {
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum;
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum;
}

function withComponentRefs(schema: JsonSchema): JsonSchema {
  return JSON.parse(JSON.stringify(schema).replaceAll('"#/$defs/', '"#/components/schemas/'));
}
