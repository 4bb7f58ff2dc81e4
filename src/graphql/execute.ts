import {
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  execute,
  type FragmentDefinitionNode,
  getOperationAST,
  getVariableValues,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
} from 'graphql';
import { planQueryOf, TakesTime } from './plan.ts';

/** Executes a query or mutation of a valid document: a query by a plan where there is one; all else, and whatever is wrong with
 *  a request or a value, is graphql-js's to tell. */
export async function executeOperation(args: ExecutionArgs): Promise<ExecutionResult> {
  const data = await executeByPlan(args);
  return data === undefined ? execute(args) : { data };
}

/** Queries whose plans have met values that take their time. */
const unplanned = new WeakSet<OperationDefinitionNode>();

async function executeByPlan({ schema, document, operationName, variableValues, contextValue }: ExecutionArgs) {
  const operation = getOperationAST(document, operationName);
  if (operation?.operation !== OperationTypeNode.QUERY || unplanned.has(operation)) return undefined;
  const plan = planQueryOf({ schema, operation, fragmentDefinitions: fragmentsOf(document) });
  if (plan === undefined) return undefined;
  const { variableValues: variables } = getVariableValues(
    schema,
    operation.variableDefinitions ?? [],
    variableValues ?? {},
  );
  if (variables === undefined) return undefined;
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
