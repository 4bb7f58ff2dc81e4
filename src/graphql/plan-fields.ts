import {
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLObjectType,
  type GraphQLSchema,
  isAbstractType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';

export interface Planning {
  readonly schema: GraphQLSchema;
  readonly operation: OperationDefinitionNode;
  readonly fragmentDefinitions: Readonly<Record<string, FragmentDefinitionNode | undefined>>;
}

/** The fields by the names of their results. Undefined when there is a directive, or a name that is no ordinary one of an object. */
export function groupFields(
  type: GraphQLObjectType,
  sets: readonly SelectionSetNode[],
  planning: Planning,
): Map<string, FieldNode[]> | undefined {
  const nodes = new Map<string, FieldNode[]>();
  const spread = new Set<string>();
  const isPlanned = sets.every((set) => collectFields(set, type, { ...planning, nodes, spread }));
  return isPlanned && !nodes.has('__proto__') ? nodes : undefined;
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

export function selectionSetsOf(nodes: readonly FieldNode[]): SelectionSetNode[] {
  return nodes.map(({ selectionSet }) => selectionSet).filter((set) => set !== undefined);
}
