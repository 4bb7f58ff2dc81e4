import { z } from 'zod';
import { isObject, itemSchemaOf } from '../tasks/input.ts';
import type { Builder, EnumType, InputObjectType } from './builder.ts';
import { camelCase, isScalarName, nameOf, type ScalarName, unwrap } from './input-schemas.ts';
import { isInWireForm, scalarToWire, type WireField } from './wire-form.ts';

/**
 * Makes GraphQL input types of zod schemas, so that one definition of an input serves both doors; tasks/input.ts says how
 * the schemas are written. Names are the wire's in camel case.
 */
export interface InputTypes {
  readonly builder: Builder;
  readonly objects: Map<string, { readonly schema: z.ZodType; readonly input: Input }>;
  readonly enums: Map<string, { readonly schema: z.ZodType; readonly type: EnumType<string> }>;
}

export interface Input {
  readonly type: InputObjectType;
  /** Makes of what GraphQL was given what the schema takes: the wire's names, and null only where it takes null. */
  toWire(value: unknown): unknown;
}

type NamedType = ScalarName | InputObjectType | EnumType<string>;

interface Shape {
  readonly type: NamedType | [NamedType];
  toWire(value: unknown): unknown;
}

interface Field extends Shape {
  readonly name: string;
  readonly wire: WireField;
  readonly isRequired: boolean;
  readonly fallback: unknown;
  readonly description: string;
}

export function createInputTypes(builder: Builder): InputTypes {
  return { builder, objects: new Map(), enums: new Map() };
}

/** The input type of a schema, one for each name; `description` is for a schema without one. Throws when GraphQL has no way
 *  to say what the schema says. */
export function inputType(types: InputTypes, name: string, schema: z.ZodType, description?: string): Input {
  const known = types.objects.get(name);
  if (known !== undefined) return known.schema === schema ? known.input : throwTwice(name);
  const { core, meta } = unwrap(schema, name);
  if (!(core instanceof z.ZodObject)) throw new Error(`${name}: an input is an object`);
  const fields = Object.entries(core.shape).map(([key, property]) => fieldOf(types, key, property, `${name}.${key}`));
  const input = {
    type: defineObject(types.builder, name, meta.description ?? description, fields),
    toWire: objectToWire(fields),
  };
  types.objects.set(name, { schema, input });
  return input;
}

function fieldOf(types: InputTypes, key: string, schema: unknown, where: string): Field {
  const { core, meta, isOptional, isNullable, fallback } = unwrap(schema, where);
  if (meta.description === undefined) throw new Error(`${where} needs a description`);
  const shape = shapeOf(types, core, meta, where);
  const isRequired = !isOptional && !isNullable;
  const wire = { key, takesNull: isNullable };
  return { ...shape, name: camelCase(key), wire, isRequired, fallback, description: meta.description };
}

function shapeOf(types: InputTypes, core: z.ZodType, meta: z.GlobalMeta, where: string): Shape {
  if (isScalarName(meta.graphql)) return { type: meta.graphql, toWire: scalarToWire };
  if (core instanceof z.ZodString) return { type: 'String', toWire: scalarToWire };
  if (core instanceof z.ZodBoolean) return { type: 'Boolean', toWire: scalarToWire };
  if (core instanceof z.ZodNumber)
    return { type: core.format?.includes('int') ? 'Int' : 'Float', toWire: scalarToWire };
  if (core instanceof z.ZodEnum) return { type: enumType(types, nameOf(meta, where), core), toWire: scalarToWire };
  if (core instanceof z.ZodObject) return inputType(types, nameOf(meta, where), core);
  if (core instanceof z.ZodArray) return listShape(types, core, where);
  throw new Error(`${where}: GraphQL has no type for this schema; name a scalar with .meta({ graphql })`);
}

function listShape(types: InputTypes, schema: z.ZodArray, where: string): Shape {
  const { core, meta } = unwrap(itemSchemaOf(schema) ?? schema.element, where);
  const { type, toWire } = shapeOf(types, core, meta, where);
  if (Array.isArray(type)) throw new Error(`${where}: a list of lists is not supported`);
  return {
    type: [type],
    toWire: (value) => (Array.isArray(value) && !isInWireForm(value) ? value.map(toWire) : value),
  };
}

function enumType(types: InputTypes, name: string, schema: z.ZodEnum): EnumType<string> {
  const known = types.enums.get(name);
  if (known !== undefined) return known.schema === schema ? known.type : throwTwice(name);
  const descriptions = new Map(Object.entries(schema.meta()?.values ?? {}));
  const values = schema.options.map((value) => {
    const description = descriptions.get(String(value)) ?? `The wire's \`${value}\`.`;
    return [String(value).toUpperCase().replaceAll('.', '_'), { value: String(value), description }];
  });
  const type = types.builder.enumType(name, {
    description: schema.description ?? '',
    values: Object.fromEntries(values),
  });
  types.enums.set(name, { schema, type });
  return type;
}

function defineObject(
  builder: Builder,
  name: string,
  description: string | undefined,
  fields: readonly Field[],
): InputObjectType {
  return builder.inputType(name, {
    ...(description === undefined ? {} : { description }),
    fields: (t) =>
      Object.fromEntries(
        fields.map(({ name, type, wire, isRequired, fallback, description }) => [
          name,
          t.field({ type, required: isRequired, defaultValue: fallback, description, extensions: { wire } }),
        ]),
      ),
  });
}

/** Goes by what is there: most items of a list leave most fields out. */
function objectToWire(fields: readonly Field[]): (value: unknown) => unknown {
  const byName = new Map(fields.map((field) => [field.name, field]));
  return (value) => {
    if (!isObject(value) || isInWireForm(value)) return value;
    const wire: Record<string, unknown> = {};
    for (const name in value) {
      const given = value[name];
      const field = byName.get(name);
      if (field === undefined || given === undefined) continue;
      if (given !== null) wire[field.wire.key] = field.toWire(given);
      else if (field.wire.takesNull) wire[field.wire.key] = null;
    }
    return wire;
  };
}

function throwTwice(name: string): never {
  throw new Error(`two schemas are called ${name}`);
}
