import {
  type FieldNode,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLOutputType,
  getArgumentValues,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  type OperationDefinitionNode,
  type SelectionSetNode,
  type VariableValues,
} from 'graphql';
import { groupFields, type Planning, selectionSetsOf } from './plan-fields.ts';

/**
 * Executes an operation as graphql-js does, in a tenth of its time: for selections whose fields are functions of the value
 * before them, without arguments, directives and promises. Throws whenever there is more to a value than that: then
 * graphql-js is to be asked, which knows what to make of it.
 */
export type Plan = (root: unknown, context: unknown) => Record<string, unknown>;

/** The same for a query, whose own fields may take arguments and their time. */
export type QueryPlan = (variables: VariableValues, context: unknown) => Promise<Record<string, unknown>>;

type Complete = (value: unknown, context: unknown) => unknown;

const noArguments = {};

/** Undefined for operations that are left to graphql-js. Made once for each. */
export const planOf = oncePerOperation<Plan>((planning) => {
  const { schema, operation } = planning;
  const root = schema.getRootType(operation.operation);
  return root ? planObject(root, [operation.selectionSet], planning) : undefined;
});

/** As `planOf`. The plan may be run again by graphql-js: a query changes nothing. */
export const planQueryOf = oncePerOperation<QueryPlan>((planning) => {
  const root = planning.schema.getQueryType();
  const nodes = root && groupFields(root, [planning.operation.selectionSet], planning);
  if (!nodes) return undefined;
  const fields: { readonly name: string; readonly plan: QueryField }[] = [];
  for (const [name, same] of nodes) {
    const plan = planQueryField(root, same, planning);
    if (plan === undefined) return undefined;
    fields.push({ name, plan });
  }
  const [only, ...others] = fields;
  return async (variables, context) => {
    // What one throws must not leave the promise of another to nobody.
    const values =
      only !== undefined && others.length === 0
        ? [await only.plan.resolve(variables, context)]
        : await Promise.all(fields.map(async ({ plan }) => plan.resolve(variables, context)));
    const result: Record<string, unknown> = {};
    for (const [index, { name, plan }] of fields.entries()) result[name] = plan.complete(values[index], context);
    return result;
  };
});

interface QueryField {
  readonly resolve: (variables: VariableValues, context: unknown) => unknown;
  readonly complete: Complete;
}

function planQueryField(
  type: GraphQLObjectType,
  nodes: readonly FieldNode[],
  planning: Planning,
): QueryField | undefined {
  const [node] = nodes;
  if (node === undefined) return undefined;
  const field = planning.schema.getField(type, node.name.value);
  if (!field?.resolve || field.resolve.length > 3 || field.name.startsWith('__')) return undefined;
  const { resolve } = field;
  const complete = planValue(field.type, selectionSetsOf(nodes), planning);
  return (
    complete && {
      resolve: (variables, context) =>
        Reflect.apply(resolve, undefined, [undefined, getArgumentValues(field, node, variables), context]),
      complete,
    }
  );
}

function oncePerOperation<Made>(make: (planning: Planning) => Made | undefined) {
  const plans = new WeakMap<OperationDefinitionNode, Made | null>();
  return (planning: Planning): Made | undefined => {
    const known = plans.get(planning.operation);
    if (known !== undefined) return known ?? undefined;
    const plan = make(planning);
    plans.set(planning.operation, plan ?? null);
    return plan;
  };
}

function planObject(type: GraphQLObjectType, sets: readonly SelectionSetNode[], planning: Planning): Plan | undefined {
  const nodes = groupFields(type, sets, planning);
  if (nodes === undefined || type.isTypeOf) return undefined;
  const fields: { readonly name: string; readonly plan: Complete }[] = [];
  for (const [name, same] of nodes) {
    const plan = planField(type, same, planning);
    if (plan === undefined) return undefined;
    fields.push({ name, plan });
  }
  return (value, context) => {
    const result: Record<string, unknown> = {};
    for (const { name, plan } of fields) result[name] = plan(value, context);
    return result;
  };
}

function planField(type: GraphQLObjectType, nodes: readonly FieldNode[], planning: Planning): Complete | undefined {
  const name = nodes[0]?.name.value ?? '';
  if (name === '__typename') return () => type.name;
  const field = planning.schema.getField(type, name);
  if (field === undefined || !isFunctionOfValue(field)) return undefined;
  const complete = planValue(field.type, selectionSetsOf(nodes), planning);
  const { resolve } = field;
  if (complete === undefined) return undefined;
  if (resolve === undefined) return (value, context) => complete(Reflect.get(Object(value), name), context);
  return (value, context) => complete(Reflect.apply(resolve, undefined, [value, noArguments, context]), context);
}

/** Its resolver looks at no arguments, and never at the `info` that graphql-js would make for it. */
function isFunctionOfValue({ resolve, args }: GraphQLField<unknown, unknown>): boolean {
  return resolve === undefined ? args.length === 0 : resolve.length <= (args.length === 0 ? 3 : 1);
}

function planValue(
  type: GraphQLOutputType,
  sets: readonly SelectionSetNode[],
  planning: Planning,
): Complete | undefined {
  if (isNonNullType(type)) {
    const complete = planValue(type.ofType, sets, planning);
    return complete && ((value, context) => complete(present(value), context));
  }
  if (isListType(type)) {
    const complete = planValue(type.ofType, sets, planning);
    return (
      complete && ((value, context) => (value == null ? null : listed(value).map((item) => complete(item, context))))
    );
  }
  const complete = isLeafType(type)
    ? (value: unknown) => present(type.coerceOutputValue(value))
    : isObjectType(type)
      ? planObject(type, sets, planning)
      : planAbstract(type, sets, planning);
  return complete && ((value, context) => (value == null ? null : complete(plain(value), context)));
}

function planAbstract(
  type: Exclude<GraphQLOutputType, { coerceOutputValue: unknown } | { ofType: unknown } | GraphQLObjectType>,
  sets: readonly SelectionSetNode[],
  planning: Planning,
): Complete | undefined {
  const { resolveType } = type;
  if (!resolveType) return undefined;
  const members = new Map<unknown, Complete>();
  for (const member of planning.schema.getPossibleTypes(type)) {
    const plan = planObject(member, sets, planning);
    if (plan === undefined) return undefined;
    members.set(member.name, plan);
  }
  return (value, context) => {
    const member = members.get(Reflect.apply(resolveType, undefined, [value, context, undefined, type]));
    return present(member)(value, context);
  };
}

/** Values of this operation are not there yet when they are asked for: no plan will do. */
export class TakesTime extends Error {}

function present<Value>(value: Value): NonNullable<Value> {
  if (value == null) throw new Error('a value is missing');
  return value;
}

function listed(given: unknown): readonly unknown[] {
  const value = plain(given);
  if (!Array.isArray(value)) throw new Error('a value is no list');
  return value;
}

/** A value that is there, and no error. */
function plain(value: unknown): unknown {
  if (value instanceof Error || typeof value === 'function') throw new Error('a value is none');
  if (!(value instanceof Promise)) return value;
  // Whoever executes this properly makes a promise of its own.
  value.catch(() => undefined);
  throw new TakesTime();
}
