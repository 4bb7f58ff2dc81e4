import { z } from 'zod';
import { itemSchemaOf } from '../tasks/input.ts';

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

/** The header of every start. */
export const idempotencyKey = parameter(
  'header',
  'Idempotency-Key',
  { type: 'string', minLength: 1, maxLength: 255 },
  'Makes the request safe to repeat: the same key and body give the same task, the same key with another body 422.',
);

function withComponentRefs(schema: JsonSchema): JsonSchema {
  return JSON.parse(JSON.stringify(schema).replaceAll('"#/$defs/', '"#/components/schemas/'));
}
