import { Readable } from 'node:stream';
import { z } from 'zod';
import type { Json } from '../db/json.ts';
import type { Upload } from './operation.ts';

/**
 * How operations write their input. Both doors read it: REST checks with it, GraphQL makes its input types of it. `.meta()`
 * carries what zod has no word for: `id` names the GraphQL type of an object or enum, `graphql` a scalar (`ID`, `DateTime`,
 * `Decimal`, `JSON`, `File`), `item` the schema of what a list of items holds.
 */

/** A list of items. The start only asks that they are objects: each is checked by `item` when its chunk is applied, so that
 *  a bad one becomes a failure and the rest go through. `z.compile` it for that: it takes less than half of the time. */
export function itemList(item: z.ZodObject, description: string) {
  return z.array(plainObject<Record<string, unknown>>()).meta({ item, description });
}

/** The schema of the items of a list, if it is a list of items. */
export function itemSchemaOf(schema: z.ZodType): z.ZodObject | undefined {
  const item = schema.meta()?.item;
  return item instanceof z.ZodObject ? item : undefined;
}

/** An object of JSON values. What comes has been parsed from JSON already: `z.json()` would check it once more, and a schema that
 *  contains itself makes zod look for cycles in every item. */
export function jsonObject() {
  return plainObject<{ readonly [key: string]: Json }>().meta({ type: 'object', additionalProperties: {} });
}

/** An object as it came. `z.record()` would copy it, without a key called `__proto__`. */
function plainObject<Type extends object>() {
  return z.custom<Type>().superRefine((value: unknown, { addIssue }) => {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return;
    addIssue({ code: 'invalid_type', expected: 'record', input: value, continue: false });
  });
}

/** Text that Postgres can hold: no NUL, no half of a surrogate pair. */
export function text() {
  return z.string().refine(isStorable, unstorable);
}

/** What is said of text that is not storable. */
export const unstorable = 'must not contain NUL or half a surrogate pair';

/** False when some text in it, keys included, cannot be stored; looks into lists and objects. */
export function isStorable(value: unknown): boolean {
  if (typeof value === 'string') return !value.includes('\0') && value.isWellFormed();
  if (!isObject(value)) return true;
  // Not Object.entries: every item of every import comes by here.
  for (const key in value) if (!isStorable(key) || !isStorable(value[key])) return false;
  return true;
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

/** A file that is still arriving. */
export function upload(description: string) {
  return z.custom<Upload>(isUpload, 'expected a file').meta({ graphql: 'File', description });
}

export function isUpload(value: unknown): value is Upload {
  return typeof value === 'object' && value !== null && 'stream' in value && value.stream instanceof Readable;
}

/** An id: any text of 1 to 255 characters. */
export function id(description: string) {
  return z.string().min(1).max(255).meta({ graphql: 'ID', description });
}

/** A moment: RFC 3339 with an offset. */
export function dateTime(description: string) {
  return z.iso.datetime({ offset: true }).meta({ graphql: 'DateTime', description });
}
