import { readWireDate } from '../../domain/dates.ts';
import { type Filter, type FilterFields, type Filters, filterConditions } from '../../domain/filters.ts';
import { isStorable, unstorable } from '../../tasks/input.ts';
import { type JsonSchema, type Parameter, parameter } from '../openapi-parts.ts';
import { invalidParameter } from './paging.ts';

/** Bounds of one request. */
const maxConditions = 20;
const maxValues = 100;

type Query = Readonly<Record<string, unknown>>;

/**
 * Reads `filters[junction]=AND|OR` (default AND) and `filters[<field>][conditions][<condition>]=<value>`; several values stand in
 * `…[0]`, `…[1]` or in the same parameter again. Throws BAD_USER_INPUT, told as `invalid_query_params`.
 */
export function readFilters(query: Query, fields: FilterFields): Filters {
  const given = new Map<string, { readonly field: string; readonly condition: string; readonly values: unknown[] }>();
  for (const [name, value] of Object.entries(query)) {
    if (!/^filters\b/.test(name) || name === junctionName) continue;
    const [, field, condition] = /^filters\[([^\]]+)\]\[conditions\]\[([^\]]+)\](?:\[\d*\])?$/.exec(name) ?? [];
    if (field === undefined || condition === undefined) {
      throw invalidParameter(name, 'should be filters[<field>][conditions][<condition>]');
    }
    const path = `filters[${field}][conditions][${condition}]`;
    const known = given.get(path) ?? { field, condition, values: [] };
    given.set(path, known);
    known.values.push(...[value].flat());
  }
  if (given.size > maxConditions)
    throw invalidParameter('filters', `cannot have more than ${maxConditions} conditions`);
  const filters = [...given].map(([path, { field, condition, values }]) =>
    toFilter(path, lookUp(fields, field, `filters[${field}]`), condition, values),
  );
  return { junction: readJunction(query[junctionName]), filters };
}

const junctionName = 'filters[junction]';

function readJunction(given: unknown): Filters['junction'] {
  const junction = String(given ?? 'AND').toUpperCase();
  if (junction === 'AND' || junction === 'OR') return junction;
  throw invalidParameter(junctionName, 'must be equal to one of AND,OR');
}

function toFilter(path: string, field: Filter['field'], name: string, values: readonly unknown[]): Filter {
  const condition = lookUp(filterConditions[field.holds], name, path);
  if (!isStorable(values)) throw invalidParameter(path, unstorable);
  return { field, condition, value: readValue(path, condition.takes, values) };
}

function readValue(path: string, takes: Filter['condition']['takes'], values: readonly unknown[]): unknown {
  if (takes === 'nothing') return undefined;
  if (takes === 'texts') {
    if (values.length > maxValues) throw invalidParameter(path, `cannot have more than ${maxValues} values`);
    return values;
  }
  const [value] = values;
  if (values.length > 1 || typeof value !== 'string') throw invalidParameter(path, 'should be string');
  if (takes === 'text') return value;
  const date = readWireDate(value);
  if (date === undefined) throw invalidParameter(path, 'cannot be recognized as a ISO-8601 compliant date');
  return date;
}

function lookUp<Value>(known: Readonly<Record<string, Value>>, name: string, path: string): Value {
  const value = Object.hasOwn(known, name) ? known[name] : undefined;
  if (value !== undefined) return value;
  throw invalidParameter(path, `is not supported: it must be one of ${Object.keys(known).join(',')}`);
}

/** For the OpenAPI document. */
export function filtersParameter(fields: FilterFields): Parameter {
  const conditionsOf = (holds: Filter['field']['holds']) => {
    const entries = Object.entries(filterConditions[holds]);
    return {
      type: 'object',
      properties: Object.fromEntries(entries.map(([name, { takes }]) => [name, valueSchemas[takes]])),
    };
  };
  const properties = Object.entries(fields).map(([name, { holds }]) => [
    name,
    { type: 'object', properties: { conditions: conditionsOf(holds) } },
  ]);
  const junction = { enum: ['AND', 'OR'], default: 'AND' };
  const schema: JsonSchema = { type: 'object', properties: { junction, ...Object.fromEntries(properties) } };
  const description = `Only those that fulfil all (AND) or any (OR) of at most ${maxConditions} conditions. Upper and lower case differ.`;
  return { ...parameter('query', 'filters', schema, description), style: 'deepObject', explode: true };
}

const valueSchemas = {
  text: { type: 'string' },
  texts: { type: 'array', items: { type: 'string' }, maxItems: maxValues },
  moment: { type: 'string', format: 'date-time' },
  nothing: { type: 'string', description: 'Any value.' },
} as const;
