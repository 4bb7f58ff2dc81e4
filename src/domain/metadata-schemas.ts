import { z } from 'zod';
import type { Database, Tx } from '../db/client.ts';
import type { Json, JsonObject } from '../db/json.ts';
import { badInput } from '../errors.ts';
import { isObject, type MetadataDefinition, metadataDefinition, misfitOf } from './metadata-definitions.ts';
import { reason } from './reasons.ts';

/** The metadata schemas of a project, and what they say of metadata that is to be written. */

export const metadataResources = ['campaign', 'voucher', 'customer', 'product', 'order', 'sku'] as const;
export type MetadataResource = (typeof metadataResources)[number];

/** Why metadata does not fit, in the reason grammar of contract 4.3; undefined when it fits. Only a new resource must have
 *  the keys that are required; what is updated may leave them out, but not clear them. */
export type MetadataCheck = (
  metadata: JsonObject | undefined,
  options: { readonly isNew: boolean },
) => string | undefined;

/** What one resource's schema says. */
export interface MetadataSchema {
  readonly check: MetadataCheck;
  /** A CSV cell as its declared type; text that is not of that type stays text, for `check` to refuse (contract 1.6). */
  fromCell(name: string, cell: string): Json;
}

type Definitions = ReadonlyMap<string, MetadataDefinition>;
interface Rules {
  readonly definitions: Definitions;
  readonly allowDefinedOnly: boolean;
}
type RulesByName = ReadonlyMap<string, Rules>;

const definitionsShape = z.record(z.string(), metadataDefinition);
const noRules: Rules = { definitions: new Map(), allowDefinedOnly: false };
const maxDepth = 10;
const maxTold = 10;

/** Reads what the resource's schema says; one read, for a whole chunk. Without a schema everything fits. */
export async function readMetadataSchema(
  db: Database | Tx,
  projectId: string,
  resource: MetadataResource,
): Promise<MetadataSchema> {
  const byName = await readRules(db, projectId);
  const rules = byName.get(resource) ?? noRules;
  return {
    check: (metadata, { isNew }) => describeAll(misfitsOf(byName, rules, metadata ?? {}, { isNew, path: [] })),
    fromCell: (name, cell) => fromCell(rules.definitions.get(name), cell),
  };
}

/** The check alone, for writers of JSON. */
export async function readMetadataCheck(
  db: Database | Tx,
  projectId: string,
  resource: MetadataResource,
): Promise<MetadataCheck> {
  return (await readMetadataSchema(db, projectId, resource)).check;
}

/** For writes that are answered at once. Throws BAD_USER_INPUT with the issue METADATA_VALIDATION_FAILED. */
export async function requireValidMetadata(
  db: Database | Tx,
  projectId: string,
  resource: MetadataResource,
  metadata: JsonObject | undefined,
  options: { readonly isNew: boolean },
): Promise<void> {
  const misfit = (await readMetadataCheck(db, projectId, resource))(metadata, options);
  if (misfit !== undefined) throw badInput(['metadata'], 'METADATA_VALIDATION_FAILED', misfit);
}

async function readRules(db: Database | Tx, projectId: string): Promise<RulesByName> {
  const rows = await db
    .selectFrom('metadata_schemas')
    .select(['resource', 'definitions', 'allow_defined_only'])
    .where('project_id', '=', projectId)
    .execute();
  return new Map(
    rows.map((row) => {
      const live = Object.entries(definitionsShape.parse(row.definitions)).filter(([, { deleted }]) => !deleted);
      return [row.resource, { definitions: new Map(live), allowDefinedOnly: row.allow_defined_only }];
    }),
  );
}

interface Position {
  readonly isNew: boolean;
  readonly path: readonly string[];
}

function misfitsOf(byName: RulesByName, rules: Rules, metadata: JsonObject, position: Position): string[] {
  const given = new Map(Object.entries(metadata));
  const nameOf = (key: string) => [...position.path, key].join('.');
  const misfits: string[] = [];
  for (const [key, definition] of rules.definitions) {
    const value = given.get(key);
    if (value === undefined && !position.isNew) continue;
    const misfit = misfitOf(nameOf(key), definition, value);
    if (misfit !== undefined) misfits.push(misfit);
    else misfits.push(...misfitsInside(byName, definition, value, [...position.path, key]));
  }
  if (!rules.allowDefinedOnly) return misfits;
  const undefinedKeys = [...given].filter(([key]) => !rules.definitions.has(key));
  return [
    ...misfits,
    ...undefinedKeys.map(([key, value]) => reason(nameOf(key), 'property is not defined in the schema', value)),
  ];
}

/** An object of a type that the project defines is checked as a new one: it is written as a whole. */
function misfitsInside(
  byName: RulesByName,
  { objectType }: MetadataDefinition,
  value: Json | undefined,
  path: readonly string[],
): string[] {
  const rules = objectType ? byName.get(objectType) : undefined;
  if (rules === undefined || value === undefined || value === null) return [];
  if (path.length > maxDepth) return [reason(path.join('.'), `cannot be nested deeper than ${maxDepth} levels`, value)];
  const [objects, isList] = Array.isArray(value) ? [value, true] : [[value], false];
  return objects.flatMap((object, index) =>
    isObject(object)
      ? misfitsOf(byName, rules, object, { isNew: true, path: isList ? [...path, String(index)] : path })
      : [],
  );
}

function describeAll(misfits: readonly string[]): string | undefined {
  return misfits.length === 0 ? undefined : misfits.slice(0, maxTold).join('; ');
}

function fromCell(definition: MetadataDefinition | undefined, cell: string): Json {
  if (definition === undefined) return cell;
  if (!definition.array) return fromElement(definition, cell);
  return splitCell(definition, cell).map((part) => fromElement(definition, part.trim()));
}

/** A geopoint has a comma of its own. */
function splitCell({ type }: MetadataDefinition, cell: string): string[] {
  return type === 'geopoint' ? (cell.match(/[^,]+(?:,[^,]+)?/g) ?? []) : cell.split(',');
}

function fromElement({ type }: MetadataDefinition, text: string): Json {
  if (type === 'number') return isNumeric(text) ? Number(text) : text;
  if (type !== 'boolean') return text;
  switch (text.toLowerCase()) {
    case 'true':
      return true;
    case 'false':
      return false;
    case 'null':
      return null;
    default:
      return text;
  }
}

/** Not `1e400`, which reads as a number that cannot be stored. */
function isNumeric(text: string): boolean {
  return /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text) && Number.isFinite(Number(text));
}
