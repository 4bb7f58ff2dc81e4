/** Where two JSON Schemas differ, as lines `path: difference`; each in the document that it refers into. */

interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly nullable?: boolean;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly not?: unknown;
  readonly additionalProperties?: unknown;
  readonly allOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
}

export interface Placed {
  readonly schema: Schema;
  readonly document: object;
}

/** What a schema comes to, its alternatives taken together. */
interface Shape {
  /** Empty: anything. */
  readonly types: ReadonlySet<string>;
  /** Undefined: any value of the types. */
  readonly words: ReadonlySet<unknown> | undefined;
  readonly properties: ReadonlyMap<string, { readonly schemas: readonly Schema[]; readonly isRequired: boolean }>;
  readonly items: readonly Schema[];
}

const maxDepth = 10;

/** Where what `ours` answers is not what `theirs` promises, or is something else besides. */
export function compareAnswers(ours: Placed, theirs: Placed, at: string): string[] {
  return walk([ours.schema], [theirs.schema], ours.document, theirs.document, at, 0, (mine, other, path) => {
    const told: string[] = [];
    const strange = [...mine.types].filter((type) => !isAmong(type, other.types));
    if (strange.length > 0) told.push(`${path}: can be ${strange.sort().join(', ')}`);
    const words =
      other.words && [...(mine.words ?? ['anything'])].filter((word) => word !== null && !other.words?.has(word));
    if (words !== undefined && words.length > 0) told.push(`${path}: can be ${words.join(', ')}`);
    for (const [name, { isRequired }] of other.properties) {
      const own = mine.properties.get(name);
      if (own === undefined) told.push(`${path}.${name}: is left out${isRequired ? ' though required' : ''}`);
      else if (isRequired && !own.isRequired) told.push(`${path}.${name}: may be left out`);
    }
    if (other.properties.size > 0)
      for (const name of mine.properties.keys())
        if (!other.properties.has(name)) told.push(`${path}.${name}: is added`);
    return told;
  });
}

/** Where `ours` does not take what `theirs` lets a client send. */
export function compareRequests(ours: Placed, theirs: Placed, at: string): string[] {
  return walk([ours.schema], [theirs.schema], ours.document, theirs.document, at, 0, (mine, other, path) => {
    const told: string[] = [];
    const refused = [...other.types].filter((type) => !isAmong(type, mine.types));
    if (refused.length > 0) told.push(`${path}: cannot be ${refused.sort().join(', ')}`);
    const words = mine.words && [...(other.words ?? [])].filter((word) => !mine.words?.has(word));
    if (words !== undefined && words.length > 0) told.push(`${path}: cannot be ${words.join(', ')}`);
    for (const name of other.properties.keys()) {
      if (!mine.properties.has(name) && mine.properties.size > 0) told.push(`${path}.${name}: is not known`);
    }
    for (const [name, { isRequired }] of mine.properties) {
      if (isRequired && !other.properties.get(name)?.isRequired) told.push(`${path}.${name}: is required`);
    }
    return told;
  });
}

function walk(
  ours: readonly Schema[],
  theirs: readonly Schema[],
  ourDocument: object,
  theirDocument: object,
  place: string,
  depth: number,
  compare: (mine: Shape, other: Shape, path: string) => string[],
): string[] {
  const mine = merge(ours.map((schema) => shapeOf(schema, ourDocument)));
  const other = merge(theirs.map((schema) => shapeOf(schema, theirDocument)));
  const at = nameOf(ours) ?? place;
  const told = compare(mine, other, at);
  if (depth > maxDepth) return told;
  const go = (a: readonly Schema[], b: readonly Schema[], path: string) =>
    walk(a, b, ourDocument, theirDocument, path, depth + 1, compare);
  for (const [name, { schemas }] of mine.properties) {
    const their = other.properties.get(name);
    if (their !== undefined) told.push(...go(schemas, their.schemas, `${at}.${name}`));
  }
  if (mine.items.length > 0 && other.items.length > 0) told.push(...go(mine.items, other.items, `${at}[]`));
  return told;
}

/** The component of which every difference is told once, wherever it is used. */
function nameOf(schemas: readonly Schema[]): string | undefined {
  const choices = schemas.flatMap((schema) => schema.anyOf ?? [schema]).filter(({ type }) => type !== 'null');
  return choices.length === 1 ? choices[0]?.$ref?.split('/').at(-1) : undefined;
}

function shapeOf(schema: Schema, document: object): Shape {
  if (schema.$ref !== undefined) return shapeOf(resolve(schema.$ref, document), document);
  const { allOf = [], properties = {}, required = [], items } = schema;
  const types = new Set([schema.type ?? []].flat());
  if (types.size === 0 && schema.properties !== undefined) types.add('object');
  if (schema.nullable) types.add('null');
  const given = 'const' in schema ? [schema.const] : (schema.enum ?? wordsBetween(schema));
  if (given?.every(Number.isInteger) && types.delete('number')) types.add('integer');
  if (types.size === 0 && given !== undefined) for (const word of given) types.add(typeOf(word));
  const own: Shape = {
    types,
    words: given && new Set(given),
    properties: new Map(
      Object.entries(properties).map(([name, one]) => [name, { schemas: [one], isRequired: required.includes(name) }]),
    ),
    items: items === undefined || items.not !== undefined ? [] : [items],
  };
  const choices = schema.oneOf ?? schema.anyOf;
  const alternatives = choices === undefined ? [] : [merge(choices.map((one) => shapeOf(one, document)))];
  return [...allOf.map((one) => shapeOf(one, document)), ...alternatives].reduce(
    (whole, part) => both(whole, part, required),
    own,
  );
}

/** Of `allOf`: what must hold together. */
function both(one: Shape, other: Shape, required: readonly string[]): Shape {
  const properties = new Map([...one.properties, ...other.properties]);
  for (const [name, property] of properties) {
    const isRequired = [one, other].some((part) => part.properties.get(name)?.isRequired) || required.includes(name);
    properties.set(name, { ...property, isRequired });
  }
  const types = one.types.size === 0 ? other.types : one.types;
  return { types, words: one.words ?? other.words, properties, items: [...one.items, ...other.items] };
}

/** Of `oneOf`: any of them. */
function merge(shapes: readonly Shape[]): Shape {
  const [only] = shapes;
  if (shapes.length === 1 && only !== undefined) return only;
  const objects = shapes.filter((shape) => shape.types.has('object'));
  const names = new Set(objects.flatMap((shape) => [...shape.properties.keys()]));
  const properties = [...names].map((name) => {
    const schemas = objects.flatMap((shape) => shape.properties.get(name)?.schemas ?? []);
    return [name, { schemas, isRequired: objects.every((shape) => shape.properties.get(name)?.isRequired) }] as const;
  });
  const isAny = shapes.some((shape) => shape.types.size === 0);
  const valued = shapes.filter((shape) => !(shape.types.size === 1 && shape.types.has('null')));
  const isFree = valued.some((shape) => shape.words === undefined);
  return {
    types: isAny ? new Set() : new Set(shapes.flatMap((shape) => [...shape.types])),
    words: isFree ? undefined : new Set(valued.flatMap((shape) => [...(shape.words ?? [])])),
    properties: new Map(properties),
    items: shapes.flatMap((shape) => shape.items),
  };
}

/** A short range of integers is a list of words. */
function wordsBetween({ minimum, maximum }: Schema): number[] | undefined {
  if (minimum === undefined || maximum === undefined || maximum - minimum > 10) return undefined;
  return Array.from({ length: maximum - minimum + 1 }, (_, index) => minimum + index);
}

function typeOf(word: unknown): string {
  if (word === null) return 'null';
  return Number.isInteger(word) ? 'integer' : typeof word;
}

function isAmong(type: string, types: ReadonlySet<string>): boolean {
  return types.size === 0 || types.has(type) || (type === 'integer' && types.has('number'));
}

function resolve(reference: string, document: object): Schema {
  const keys = reference
    .slice(2)
    .split('/')
    .map((key) => key.replaceAll('~1', '/'));
  return keys.reduce<unknown>((value, key) => Reflect.get(Object(value), key), document) as Schema;
}
