import {
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  execute,
  executeRootSelectionSet,
  type FragmentDefinitionNode,
  getOperationAST,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
  type VariableValues,
} from 'graphql';
import { planQueryOf, TakesTime } from './plan.ts';
import { coerceVariables, validateArgs } from './variables.ts';

/** Executes a query or mutation of a valid document: a query by a plan where there is one; all else, and whatever is wrong with
 *  a request or a value, is graphql-js's to tell. */
export async function executeOperation(args: ExecutionArgs): Promise<ExecutionResult> {
  const operation = getOperationAST(args.document, args.operationName);
  const variables = operation && coerceVariables(args.schema, operation, args.variableValues);
  if (!operation || !variables) return execute(args);
  const data = await executeByPlan(args, operation, variables);
  if (data !== undefined) return { data };
  const validated = validateArgs(args, operation, variables);
  return 'schema' in validated ? executeRootSelectionSet(validated) : { errors: validated };
}

/** Queries whose plans have met values that take their time. */
const unplanned = new WeakSet<OperationDefinitionNode>();

/** Undefined for mutations, and whenever graphql-js is to be asked. */
async function executeByPlan(
  { schema, document, contextValue }: ExecutionArgs,
  operation: OperationDefinitionNode,
  variables: VariableValues,
) {
  if (operation.operation !== OperationTypeNode.QUERY || unplanned.has(operation)) return undefined;
  const plan = planQueryOf({ schema, operation, fragmentDefinitions: fragmentsOf(document) });
  if (plan === undefined) return undefined;
  try {
    return await plan(variables, contextValue);
  } catch (error) {
    if (error instanceof TakesTime) unplanned.add(operation);
    return undefined;
  }
}

const fragments = new WeakMap<DocumentNode, Record<string, FragmentDefinitionNode>>();

function fragmentsOf(document: DocumentNode): Record<string, FragmentDefinitionNode> {
  const known = fragments.get(document);
  if (known !== undefined) return known;
  const definitions = document.definitions.filter((definition) => definition.kind === Kind.FRAGMENT_DEFINITION);
  const made = Object.fromEntries(definitions.map((definition) => [definition.name.value, definition]));
  fragments.set(document, made);
  return made;
}
