import { z } from 'zod';
import type { Json, JsonObject } from '../db/json.ts';
import { readWireDate } from './dates.ts';
import { reason } from './reasons.ts';

/** What a metadata schema says of one key, and whether a value fits it (contract of the async actions, section 4.3). */

export const metadataTypes = [
  'string',
  'number',
  'object',
  'date',
  'datetime',
  'geopoint',
  'boolean',
  'image_url',
] as const;
type MetadataType = (typeof metadataTypes)[number];

const plainValue = z.union([z.string(), z.number(), z.boolean()]);

/** A definition as the wire has it. Rules that are absent do not apply. */
export const metadataDefinition = z.object({
  type: z.enum(metadataTypes),
  array: z.boolean(),
  optional: z.boolean(),
  objectType: z.string().nullable().optional(),
  eq: z.array(plainValue).optional(),
  ne: z.array(plainValue).optional(),
  lt: z.number().optional(),
  lte: z.number().optional(),
  gt: z.number().optional(),
  gte: z.number().optional(),
  minLength: z.int().optional(),
  maxLength: z.int().optional(),
  exactLength: z.int().optional(),
  deleted: z.boolean().optional(),
});
export type MetadataDefinition = z.infer<typeof metadataDefinition>;

/** The reason why a present value does not fit, describing the whole definition; undefined when it fits. What is inside an
 *  object is not looked at. */
export function misfitOf(key: string, definition: MetadataDefinition, value: Json | undefined): string | undefined {
  return fits(definition, value) ? undefined : reason(key, phrasesOf(definition), value);
}

function fits(definition: MetadataDefinition, value: Json | undefined): boolean {
  if (value === null || value === undefined) return definition.optional;
  if (!definition.array) return fitsElement(definition, value);
  return Array.isArray(value) && value.every((element) => fitsElement(definition, element));
}

function fitsElement(definition: MetadataDefinition, value: Json): boolean {
  if (!isOfType(definition.type, value)) return false;
  const { eq, ne } = definition;
  if (eq !== undefined && !eq.some((allowed) => allowed === value)) return false;
  if (ne?.some((forbidden) => forbidden === value)) return false;
  if (typeof value === 'number') return fitsRange(definition, value);
  return typeof value !== 'string' || fitsLength(definition, [...value].length);
}

function fitsRange({ lt, lte, gt, gte }: MetadataDefinition, value: number): boolean {
  return (
    (lt === undefined || value < lt) &&
    (lte === undefined || value <= lte) &&
    (gt === undefined || value > gt) &&
    (gte === undefined || value >= gte)
  );
}

function fitsLength({ minLength, maxLength, exactLength }: MetadataDefinition, length: number): boolean {
  return (
    (minLength === undefined || length >= minLength) &&
    (maxLength === undefined || length <= maxLength) &&
    (exactLength === undefined || length === exactLength)
  );
}

/** Whether a value is of the type itself, arrays aside. */
export function isOfType(type: MetadataType, value: Json): boolean {
  switch (type) {
    case 'string':
      return typeof value === 'string';
    case 'number':
      return typeof value === 'number' && Number.isFinite(value);
    case 'boolean':
      return typeof value === 'boolean';
    case 'object':
      return isObject(value);
    case 'date':
      return typeof value === 'string' && /^\d{4}-\d{2}-\d{2}$/.test(value) && readWireDate(value) !== undefined;
    case 'datetime':
      return typeof value === 'string' && value.includes('T') && readWireDate(value) !== undefined;
    case 'geopoint':
      return typeof value === 'string' && isGeopoint(value);
    case 'image_url':
      return typeof value === 'string' && isImageUrl(value);
  }
}

/** Whether a value is an object, neither a list nor null. */
export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isGeopoint(text: string): boolean {
  const [, latitude, longitude] = /^(-?\d{1,2}(?:\.\d+)?),\s*(-?\d{1,3}(?:\.\d+)?)$/.exec(text) ?? [];
  return latitude !== undefined && Math.abs(Number(latitude)) <= 90 && Math.abs(Number(longitude)) <= 180;
}

function isImageUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url !== undefined && /^https?:$/.test(url.protocol) && /\.(jpe?g|png)$/i.test(url.pathname);
}

const typePhrases: Readonly<Record<MetadataType, string>> = {
  string: 'must be a string',
  number: 'must be a number',
  object: 'must be an object',
  date: 'must be an ISO 8601 date',
  datetime: 'must be an ISO 8601 date and time',
  geopoint: 'must be a geopoint (latitude,longitude)',
  boolean: 'must be a boolean',
  image_url: 'must be a URL pointing to JPG/JPEG or PNG resource',
};

/** In the order that the contract fixes; the phrases of the rules it says nothing of follow. */
function phrasesOf(definition: MetadataDefinition): string {
  const { type, array, optional, eq, ne, lt, lte, gt, gte, minLength, maxLength, exactLength } = definition;
  const phrases = [
    typePhrases[type],
    !optional && 'property is required',
    eq !== undefined && `must be equal to one of ${eq.join(',')}`,
    ne !== undefined && `must not be equal to any of ${ne.join(',')}`,
    lt !== undefined && `must be lower than ${lt}`,
    lte !== undefined && `must be lower than or equal to ${lte}`,
    gt !== undefined && `must be greater than ${gt}`,
    gte !== undefined && `must be greater than or equal to ${gte}`,
    minLength !== undefined && `must have at least ${minLength} characters`,
    maxLength !== undefined && `must have at most ${maxLength} characters`,
    exactLength !== undefined && `must have exactly ${exactLength} characters`,
  ].filter((phrase) => phrase !== false);
  return `${array ? 'must be an array, and every element: ' : ''}${phrases.join(', ')}`;
}
