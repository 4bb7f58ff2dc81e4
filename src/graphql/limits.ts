import {
  type ASTNode,
  type DocumentNode,
  type FieldNode,
  type GraphQLCompositeType,
  GraphQLError,
  type GraphQLSchema,
  getNamedType,
  getOperationAST,
  isCompositeType,
  Kind,
  type OperationDefinitionNode,
  type ParseOptions,
  parse,
  type SelectionNode,
  type SelectionSetNode,
  type Source,
} from 'graphql';

/** The most that one page of a list holds. */
export const maxPage = 100;

/** Bounds of one document, all of them generous to what GraphiQL and an ordinary client send. */
const maxCharacters = 50_000;
/** Validation takes time that grows with the square of a document's fields. */
const maxTokens = 2_000;
const maxDepth = 20;
const maxFields = 1_000;
const maxCost = 20_000;

/** What selecting a field costs; a field that says nothing costs 1. */
export interface FieldCost {
  readonly own: number;
  /** The field is a page of a list: what is selected in it counts `first` times, or so often without `first`. */
  readonly defaultPage?: number;
}

interface Measure {
  readonly cost: number;
  readonly depth: number;
  readonly fields: number;
}

interface Measuring {
  readonly schema: GraphQLSchema;
  readonly fragments: ReadonlyMap<string, SelectionSetNode>;
  readonly types: ReadonlyMap<string, string>;
  readonly variables: Readonly<Record<string, unknown>>;
  /** A fragment that is spread often is measured once. */
  readonly known: Map<SelectionSetNode, Map<GraphQLCompositeType, Measure>>;
  /** Other variables would give another measure. */
  isVariable: boolean;
}

const nothing: Measure = { cost: 0, depth: 0, fields: 0 };

/** Throws QUERY_TOO_COMPLEX for a document that is too long to be parsed at all. */
export function checkLength(query: unknown): void {
  if (typeof query === 'string' && query.length > maxCharacters) {
    throw tooComplex(`The document has ${query.length} characters; at most ${maxCharacters} are taken. ${advice}`);
  }
}

const advice = 'Send large inputs as variables';

/** Parses a document of at most 2,000 tokens. Throws QUERY_TOO_COMPLEX for a longer one, and syntax errors. */
export function parseLimited(source: string | Source, options: ParseOptions = {}): DocumentNode {
  try {
    return parse(source, { ...options, maxTokens });
  } catch (error) {
    // graphql-js calls it a syntax error.
    if (!(error instanceof GraphQLError && error.message.includes(`more than ${maxTokens} tokens`))) throw error;
    throw tooComplex(`The document has more than ${maxTokens} tokens. ${advice}`);
  }
}

interface CostRequest {
  readonly schema: GraphQLSchema;
  readonly document: DocumentNode;
  readonly operationName?: string | null | undefined;
  readonly variableValues?: Readonly<Record<string, unknown>> | null | undefined;
}

/** What was found of operations whose measure depends on no variable. A document belongs to one schema. */
const checked = new WeakMap<OperationDefinitionNode, { readonly error: GraphQLError | undefined }>();

/** Measures the operation of a valid document before it runs. Returns QUERY_TOO_COMPLEX when it asks for too much. */
export function checkCost(request: CostRequest): GraphQLError | undefined {
  const operation = getOperationAST(request.document, request.operationName);
  if (!operation) return undefined;
  const known = checked.get(operation);
  if (known !== undefined) return known.error;
  const { error, isVariable } = measureOperation(operation, request);
  if (!isVariable) checked.set(operation, { error });
  return error;
}

function measureOperation(
  operation: OperationDefinitionNode,
  { schema, document, variableValues }: CostRequest,
): { error: GraphQLError | undefined; isVariable: boolean } {
  const root = schema.getRootType(operation.operation);
  if (!root) return { error: undefined, isVariable: false };
  const fragments = document.definitions.filter((definition) => definition.kind === Kind.FRAGMENT_DEFINITION);
  const measuring: Measuring = {
    schema,
    fragments: new Map(fragments.map((fragment) => [fragment.name.value, fragment.selectionSet])),
    types: new Map(fragments.map((fragment) => [fragment.name.value, fragment.typeCondition.name.value])),
    variables: variableValues ?? {},
    known: new Map(),
    isVariable: false,
  };
  const error = judge(operation, measureSelections(operation.selectionSet, root, measuring));
  return { error, isVariable: measuring.isVariable };
}

function judge(operation: OperationDefinitionNode, { cost, depth, fields }: Measure): GraphQLError | undefined {
  if (depth > maxDepth)
    return tooComplex(`The query is ${depth} levels deep; at most ${maxDepth} are taken`, operation);
  if (fields > maxFields)
    return tooComplex(`The query selects ${fields} fields; at most ${maxFields} are taken`, operation);
  if (cost > maxCost)
    return tooComplex(`The query costs ${cost}; at most ${maxCost} is taken. Ask for fewer pages`, operation);
  return undefined;
}

function measureSelections(set: SelectionSetNode, parent: GraphQLCompositeType, measuring: Measuring): Measure {
  const known = measuring.known.get(set)?.get(parent);
  if (known !== undefined) return known;
  let sum = nothing;
  for (const selection of set.selections) sum = add(sum, measureSelection(selection, parent, measuring));
  const byType = measuring.known.get(set) ?? new Map<GraphQLCompositeType, Measure>();
  measuring.known.set(set, byType.set(parent, sum));
  return sum;
}

function measureSelection(selection: SelectionNode, parent: GraphQLCompositeType, measuring: Measuring): Measure {
  if (selection.kind === Kind.FIELD) return measureField(selection, parent, measuring);
  const isSpread = selection.kind === Kind.FRAGMENT_SPREAD;
  const set = isSpread ? measuring.fragments.get(selection.name.value) : selection.selectionSet;
  const typeName = isSpread ? measuring.types.get(selection.name.value) : selection.typeCondition?.name.value;
  const type = typeName === undefined ? parent : measuring.schema.getType(typeName);
  return set !== undefined && isCompositeType(type) ? measureSelections(set, type, measuring) : nothing;
}

function measureField(node: FieldNode, parent: GraphQLCompositeType, measuring: Measuring): Measure {
  const field = measuring.schema.getField(parent, node.name.value);
  if (field === undefined) return nothing;
  const { own, defaultPage } = costOf(field.extensions.cost);
  const type = getNamedType(field.type);
  const inside =
    node.selectionSet && isCompositeType(type) ? measureSelections(node.selectionSet, type, measuring) : nothing;
  const times = defaultPage === undefined ? 1 : pageOf(node, defaultPage, measuring);
  return { cost: own + times * inside.cost, depth: 1 + inside.depth, fields: 1 + inside.fields };
}

function add(left: Measure, right: Measure): Measure {
  return {
    cost: left.cost + right.cost,
    depth: Math.max(left.depth, right.depth),
    fields: left.fields + right.fields,
  };
}

function costOf(cost: unknown): { own: number; defaultPage: number | undefined } {
  const isGiven = typeof cost === 'object' && cost !== null;
  const own = isGiven && 'own' in cost && typeof cost.own === 'number' ? cost.own : 1;
  const defaultPage =
    isGiven && 'defaultPage' in cost && typeof cost.defaultPage === 'number' ? cost.defaultPage : undefined;
  return { own, defaultPage };
}

function pageOf(node: FieldNode, defaultPage: number, measuring: Measuring): number {
  const value = node.arguments?.find((argument) => argument.name.value === 'first')?.value;
  if (value === undefined) return defaultPage;
  const isVariable = value.kind === Kind.VARIABLE;
  if (isVariable) measuring.isVariable = true;
  const given = isVariable ? measuring.variables[value.name.value] : Number('value' in value ? value.value : maxPage);
  return typeof given === 'number' ? Math.min(Math.max(given, 0), maxPage) : maxPage;
}

function tooComplex(message: string, node?: ASTNode): GraphQLError {
  const extensions = { code: 'QUERY_TOO_COMPLEX', http: { status: 400, spec: true } };
  return new GraphQLError(message, { ...(node === undefined ? {} : { nodes: node }), extensions });
}
