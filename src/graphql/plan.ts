import {
  type FieldNode,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLSchema,
  isAbstractType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  type ValidatedSubscriptionArgs,
} from 'graphql';
import type { Context } from './context.ts';

/**
 * Executes an operation as graphql-js does, in a tenth of its time: for selections whose fields are functions of the value
 * before them, without arguments, directives, lists and promises. Throws whenever there is more to a value than that: then
 * graphql-js is to be asked, which knows what to make of it.
 */
export type Plan = (root: unknown, context: Context) => Record<string, unknown>;

type Complete = (value: unknown, context: Context) => unknown;

/** Undefined for operations that are left to graphql-js. Made once for each. */
export function planOf(execution: Planning): Plan | undefined {
  const known = plans.get(execution.operation);
  if (known !== undefined) return known ?? undefined;
  const root = execution.schema.getRootType(execution.operation.operation);
  const plan = root ? planObject(root, [execution.operation.selectionSet], execution) : undefined;
  plans.set(execution.operation, plan ?? null);
  return plan;
}

type Planning = Pick<ValidatedSubscriptionArgs, 'schema' | 'operation' | 'fragmentDefinitions'>;

const plans = new WeakMap<OperationDefinitionNode, Plan | null>();
const noArguments = {};

function planObject(type: GraphQLObjectType, sets: readonly SelectionSetNode[], planning: Planning): Plan | undefined {
  const nodes = new Map<string, FieldNode[]>();
  const spread = new Set<string>();
  const isPlain = sets.every((set) => collectFields(set, type, { ...planning, nodes, spread }));
  if (!isPlain || type.isTypeOf) return undefined;
  const fields: { readonly name: string; readonly plan: Complete }[] = [];
  for (const [name, same] of nodes) {
    const plan = planField(type, same, planning);
    if (plan === undefined) return undefined;
    fields.push({ name, plan });
  }
  return (value, context) => {
    const result = Object.create(null);
    for (const { name, plan } of fields) result[name] = plan(value, context);
    return result;
  };
}

interface Collecting extends Planning {
  /** By the name of the result. */
  readonly nodes: Map<string, FieldNode[]>;
  /** Fragments are spread once. */
  readonly spread: Set<string>;
}

/** Collects what the selections have for the type. False when there is a directive. */
function collectFields({ selections }: SelectionSetNode, type: GraphQLObjectType, collecting: Collecting): boolean {
  const { nodes, spread, schema, fragmentDefinitions } = collecting;
  return selections.every((selection) => {
    if (selection.directives?.length) return false;
    if (selection.kind === Kind.FIELD) {
      const name = selection.alias?.value ?? selection.name.value;
      nodes.set(name, [...(nodes.get(name) ?? []), selection]);
      return true;
    }
    const isSpread = selection.kind === Kind.FRAGMENT_SPREAD;
    if (isSpread && spread.has(selection.name.value)) return true;
    const fragment = isSpread ? fragmentDefinitions[selection.name.value] : selection;
    if (fragment === undefined || fragment.directives?.length) return false;
    if (isSpread) spread.add(selection.name.value);
    const isOfType = fits(fragment.typeCondition?.name.value, type, schema);
    return !isOfType || collectFields(fragment.selectionSet, type, collecting);
  });
}

function fits(condition: string | undefined, type: GraphQLObjectType, schema: GraphQLSchema): boolean {
  if (condition === undefined || condition === type.name) return true;
  const wanted = schema.getType(condition);
  return isAbstractType(wanted) && schema.isSubType(wanted, type);
}

function planField(type: GraphQLObjectType, nodes: readonly FieldNode[], planning: Planning): Complete | undefined {
  const name = nodes[0]?.name.value ?? '';
  if (name === '__typename') return () => type.name;
  const field = planning.schema.getField(type, name);
  if (field === undefined || !isFunctionOfValue(field)) return undefined;
  const sets = nodes.map(({ selectionSet }) => selectionSet).filter((set) => set !== undefined);
  const complete = planValue(field.type, sets, planning);
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
  if (isListType(type)) return undefined;
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

function present<Value>(value: Value): NonNullable<Value> {
  if (value == null) throw new Error('a value is missing');
  return value;
}

/** A value that is there, and no error. */
function plain(value: unknown): unknown {
  if (value instanceof Error || typeof value === 'function') throw new Error('a value is none');
  if (!(value instanceof Promise)) return value;
  // Whoever executes this properly makes a promise of its own.
  value.catch(() => undefined);
  throw new Error('a value takes its time');
}
