import { z } from 'zod';

const scalarNames = ['String', 'Int', 'Float', 'Boolean', 'ID', 'DateTime', 'Decimal', 'JSON', 'File'] as const;
export type ScalarName = (typeof scalarNames)[number];

/** What a schema says once everything that wraps it is taken off. */
export interface Unwrapped {
  readonly core: z.ZodType;
  /** The metadata of all layers; the outer one counts. */
  readonly meta: z.GlobalMeta;
  readonly isOptional: boolean;
  readonly isNullable: boolean;
  /** The default, where there is one that GraphQL can print. */
  readonly fallback: unknown;
}

/** Takes off optional, nullable, default and pipe. Throws when `schema` is no classic zod schema. */
export function unwrap(schema: unknown, where: string): Unwrapped {
  if (!(schema instanceof z.ZodType)) throw new Error(`${where}: expected a zod schema`);
  const own = schema.meta() ?? {};
  const inner = innerOf(schema);
  if (inner === undefined)
    return { core: schema, meta: own, isOptional: false, isNullable: false, fallback: undefined };
  const rest = unwrap(inner, where);
  const hasDefault = schema instanceof z.ZodDefault;
  return {
    core: rest.core,
    meta: { ...rest.meta, ...own },
    isOptional: rest.isOptional || hasDefault || schema instanceof z.ZodOptional,
    isNullable: rest.isNullable || schema instanceof z.ZodNullable,
    fallback: hasDefault && isPlain(schema.def.defaultValue) ? schema.def.defaultValue : rest.fallback,
  };
}

function innerOf(schema: z.ZodType): unknown {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable) return schema.unwrap();
  if (schema instanceof z.ZodDefault) return schema.def.innerType;
  if (schema instanceof z.ZodPipe) return schema.in;
  return undefined;
}

function isPlain(value: unknown): boolean {
  return ['string', 'number', 'boolean'].includes(typeof value);
}

export function isScalarName(name: unknown): name is ScalarName {
  return scalarNames.some((scalar) => scalar === name);
}

/** The name that `.meta({ id })` gives an object or an enum. Throws without one. */
export function nameOf(meta: z.GlobalMeta, where: string): string {
  if (meta.id === undefined) throw new Error(`${where}: name the type with .meta({ id })`);
  return meta.id;
}

/** `webhooks_enable` → `webhooksEnable`. */
export function camelCase(name: string): string {
  return name.replace(/_+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
