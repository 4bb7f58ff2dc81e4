import {
  buildSchema as buildFromText,
  type GraphQLInputField,
  type GraphQLInputType,
  getOperationAST,
  getVariableValues,
  isEnumType,
  isInputObjectType,
  isInputType,
  isListType,
  isNonNullType,
  type OperationDefinitionNode,
  parse,
  parseType,
  print,
  typeFromAST,
  type VariableValues,
  validateExecutionArgs,
} from 'graphql';
import { describe, expect, it } from 'vitest';
import { buildSchema } from '../../src/graphql/schema.ts';
import { coerceVariables, validateArgs } from '../../src/graphql/variables.ts';
import { operations } from '../../src/operations/index.ts';
import { createRandom } from '../support/random.ts';

const ours = buildSchema(operations);
/** Everything that the type system has for inputs. */
const anything = buildFromText(`
  enum Colour { RED GREEN }
  scalar Even
  input Leaf { text: String, id: ID!, float: Float = 1.5, colour: Colour! = GREEN, even: Even }
  input Choice @oneOf { text: String, leaf: Leaf, list: [Int!] }
  input Tree {
    leaf: Leaf = { id: "given" }, leaves: [Leaf!]! = [], grid: [[Int]!], flags: [Boolean]
    choice: Choice, child: Tree, children: [Tree!], snake_case: Int = 3
  }
  type Query { tree(tree: Tree): Boolean }
`);
Object.assign(Object(anything.getType('Even')), { coerceInputValue: readEven });

function readEven(value: unknown): unknown {
  if (typeof value !== 'number' || value % 2 !== 0) throw new Error('not even');
  // What a scalar makes may be null, or nothing.
  return [null, undefined, new Date(value)][value % 3];
}

describe.each([
  ['our schema', ours],
  ['a schema that has everything', anything],
])('coerces variables of %s', (_name, schema) => {
  const types = Object.values(schema.getTypeMap()).filter((type) => isInputType(type) && !type.name.startsWith('__'));

  it.each([1, 2, 3])('as graphql-js does, whatever is given (seed %i)', (seed) => {
    const draw = drawFrom(createRandom(seed));
    const seen = { good: 0, bad: 0 };
    for (const type of types) {
      for (const wrapped of ['X', 'X!', '[X!]!', '[X]']) {
        const { definitions, operation } = operationOf(`query ($v: ${wrapped.replace('X', type.name)}) { __typename }`);
        const variable = typeFromAST(schema, parseType(wrapped.replace('X', type.name)));
        if (!isInputType(variable)) throw new Error('expected an input type');
        for (let time = 0; time < 12; time += 1) {
          const given = draw.chance(0.05) ? {} : { v: draw.value(variable, 0, draw.pick([0, 0, 0.02, 0.1])) };
          const before = JSON.stringify(given);
          const theirs = getVariableValues(schema, definitions, given);
          const mine = coerceVariables(schema, operation, given);
          seen[mine === undefined ? 'bad' : 'good'] += 1;
          expect(show(mine), before).toBe(show(inWireForm(variable, theirs.variableValues)));
          expect(JSON.stringify(given)).toBe(before);
        }
      }
    }
    expect(Math.min(seen.good, seen.bad)).toBeGreaterThan(types.length * 5);
  });
});

describe('coerces variables as graphql-js does', () => {
  it.each([
    ['defaults', '$a: Int = 3, $b: Leaf = { id: 5 }, $c: [Int!]! = [1], $d: String = null', [{}, { a: null, d: 'x' }]],
    ['variables without a value', '$a: Int, $b: String!', [{}, { b: 'x' }, { a: undefined, b: null }, null, undefined]],
    ['one value for a list', '$a: [Int], $b: [[Leaf!]!]', [{ a: 1, b: { id: 'x' } }, { a: 'x' }, { a: [[1]] }]],
    ['a choice', '$a: Choice', [{ a: { text: 'x' } }, { a: { text: null } }, { a: {} }, { a: { text: 'x', list: 1 } }]],
    ['more variables than there are', '$a: Int', [{ a: 1, b: 2 }, Object.create({ a: 1 }), new (class A {})()]],
    ['names of every object', '$__proto__: Int, $constructor: Leaf', [{}, JSON.parse('{"__proto__":1}')]],
    ['a default of the wrong type', '$a: Int = "x"', [{}, { a: 1 }]],
    ['a type that there is not', '$a: Unknown', [{ a: 1 }]],
    ['a type that is no input', '$a: Query', [{ a: 1 }]],
    ['an operation without variables', '', [{}, { a: 1 }]],
  ])('%s', (_name, signature, values) => {
    const { definitions, operation } = operationOf(`query ${signature && `(${signature})`} { __typename }`);
    for (const given of values) {
      const theirs = getVariableValues(anything, definitions, given ?? {});
      expect(show(coerceVariables(anything, operation, given))).toBe(show(theirs.variableValues));
    }
  });
});

describe('graphql-js is asked', () => {
  it.each([
    ['for other lists than arrays', '$a: [Int!]', { a: new Set([1]) }],
    ['for objects with a prototype of their own', '$a: Leaf', { a: Object.create({ id: 'x' }) }],
    ['for a Symbol', '$a: Leaf', { a: { id: Symbol('x') } }],
    [
      'for an object that inherits a field',
      '$a: Leaf',
      {
        a: new (class {
          id = 'x';
        })(),
      },
    ],
  ])('%s', (_name, signature, given) => {
    const { operation } = operationOf(`query (${signature}) { __typename }`);
    expect(coerceVariables(anything, operation, given)).toBeUndefined();
  });
});

describe('validates', () => {
  const text = 'query a($v: Leaf!) { __typename ...f } query b { __typename } fragment f on Query { tree }';
  const document = parse(text);

  it.each([
    ['an operation by its name', { operationName: 'a', variableValues: { v: { id: '1' } } }],
    ['one without variables', { operationName: 'b', variableValues: null }],
    [
      'what its caller brings',
      { operationName: 'b', variableValues: {}, contextValue: 1, rootValue: 2, hideSuggestions: true },
    ],
  ])('%s as graphql-js does', (_name, rest) => {
    const args = { schema: anything, document, ...rest };
    const operation = getOperationAST(document, rest.operationName);
    const variables = operation && coerceVariables(anything, operation, rest.variableValues);
    if (!operation || !variables) throw new Error('expected variables that fit');
    const [mine, theirs] = [validateArgs(args, operation, variables), validateExecutionArgs(args)];
    expect(mine).toEqual(theirs);
    expect(mine).toHaveProperty('operation', operation);
  });
});

/** What graphql-js makes of the variable `v`, as schemas take it: the wire's names, dates as texts, null only where it is taken. */
function inWireForm(type: GraphQLInputType, values: VariableValues | undefined): VariableValues | undefined {
  if (values?.coerced.v === undefined) return values;
  return { ...values, coerced: { v: toWireForm(type, values.coerced.v, false) } };
}

function toWireForm(type: GraphQLInputType, value: unknown, isOfSchema: boolean): unknown {
  if (value === null || value === undefined) return value;
  if (isNonNullType(type)) return toWireForm(type.ofType, value, isOfSchema);
  if (isListType(type)) return [value].flat().map((item: unknown) => toWireForm(type.ofType, item, isOfSchema));
  if (!isInputObjectType(type)) return isOfSchema && value instanceof Date ? value.toISOString() : value;
  const fields = type.getFields();
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, given]) => {
      const field = fields[name];
      if (field === undefined) throw new Error(`${type.name} has no field ${name}`);
      const wire = Object(field.extensions.wire ?? { key: name, takesNull: true });
      const made = toWireForm(field.type, given, field.extensions.wire !== undefined);
      return made === null && !wire.takesNull ? [] : [[String(wire.key), made]];
    }),
  );
}

function operationOf(text: string) {
  const operation = parse(text).definitions[0] as OperationDefinitionNode;
  return { operation, definitions: operation.variableDefinitions ?? [] };
}

/** Equal for what is equal: the order of properties, and whether an object has a prototype, is nobody's concern. */
function show(values: VariableValues | undefined): string {
  if (values === undefined) return 'errors';
  const sources = Object.entries(values.sources).map(([name, { signature, ...rest }]) => {
    const { type, default: fallback } = signature;
    return [name, signature.name, String(type), fallback?.literal && print(fallback.literal), rest];
  });
  return JSON.stringify({ sources, coerced: values.coerced }, (_key, value: unknown) =>
    typeof value !== 'object' || value === null || Array.isArray(value)
      ? value
      : Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1))),
  );
}

const junk = [
  null,
  '',
  'x',
  '5',
  0,
  -1,
  1.5,
  2 ** 40,
  Number.POSITIVE_INFINITY,
  true,
  [],
  [[]],
  {},
  { text: 'x' },
  [null, 'x'],
  { id: {} },
];
const json = [
  null,
  'x',
  Number.POSITIVE_INFINITY,
  5,
  [1, [2]],
  { a: { b: null } },
  {},
  JSON.parse('{"__proto__":{"a":1}}'),
];
const scalars: Readonly<Record<string, readonly unknown[]>> = {
  String: ['', 'text', '\u0000'],
  ID: ['id', 5, 'Ü'],
  Int: [0, -5, 2_147_483_647, 3.0],
  Float: [0, 1.5, 1e300],
  Boolean: [true, false],
  DateTime: ['2026-01-01T00:00:00Z', '2026-12-31t23:59:59.123456+02:00', '2026-02-31T00:00:00Z'],
  Decimal: ['12.50', 5, '-0'],
  JSON: json,
  Even: [0, 2, 2, 2, 4],
};

function drawFrom(random: () => number) {
  const chance = (probability: number) => random() < probability;
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const value = (type: GraphQLInputType, depth: number, badness: number): unknown => {
    if (chance(badness)) return pick(junk);
    if (isNonNullType(type)) return present(type.ofType, depth, badness);
    return chance(0.1) ? null : present(type, depth, badness);
  };
  const present = (type: GraphQLInputType, depth: number, badness: number): unknown => {
    if (isNonNullType(type)) return present(type.ofType, depth, badness);
    if (isListType(type)) {
      const item = () => value(type.ofType, depth + 1, badness);
      return chance(0.1) ? present(type.ofType, depth, badness) : Array.from({ length: pick([0, 1, 3]) }, item);
    }
    if (isEnumType(type)) return pick(type.getValues()).name;
    if (!isInputObjectType(type)) return pick(scalars[type.name] ?? junk);
    const fields = Object.values(type.getFields());
    const chosen = type.isOneOf
      ? [pick(fields)]
      : fields.filter((field) => isRequired(field) || chance(1 / (depth + 2)));
    const entries = chosen.map((field) => [field.name, value(field.type, depth + 1, badness)] as const);
    const strange = chance(badness) ? [[pick(['strange', 'constructor', '__proto__']), pick(junk)] as const] : [];
    const absent = chance(0.1) ? [[pick(fields).name, undefined] as const] : [];
    return Object.fromEntries([...absent, ...entries, ...strange]);
  };
  return { chance, pick, value };
}

function isRequired({ type, defaultValue, default: fallback }: GraphQLInputField): boolean {
  return isNonNullType(type) && defaultValue === undefined && fallback === undefined;
}
