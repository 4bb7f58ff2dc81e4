import { type ExecutionResult, GraphQLError } from 'graphql';
import type { Context } from './context.ts';
import { type Documents, selectOperation } from './documents.ts';
import type { Params } from './http-params.ts';
import type { Yoga } from './yoga.ts';

/**
 * Runs a query or mutation through the functions that yoga's plugins are wrapped around, but without turning the request and
 * the answer into web streams. Undefined for a subscription. Errors are not presented yet.
 */
export async function runOperation(
  { yoga, documents }: { readonly yoga: Yoga; readonly documents: Documents },
  { method, params, context }: { readonly method: string; readonly params: Params; readonly context: Context },
): Promise<ExecutionResult | undefined> {
  const { variables, operationName } = params;
  const { schema, parse, validate, contextFactory, execute } = yoga.getEnveloped({ ...context, params });
  try {
    const document = parse(documents.textOf(params));
    const errors: readonly GraphQLError[] = validate(schema, document);
    if (errors.length > 0) return { errors };
    const { operation } = selectOperation(document, operationName);
    if (operation === 'subscription') return undefined;
    if (operation === 'mutation' && method === 'GET') throw mutationByGet();
    const contextValue = await contextFactory();
    return await execute({ schema, document, contextValue, variableValues: variables, operationName });
  } catch (error) {
    if (error instanceof GraphQLError) return { errors: [error] };
    throw error;
  }
}

/** RFC 9110: a GET changes nothing. */
function mutationByGet(): GraphQLError {
  const extensions = { code: 'BAD_USER_INPUT', http: { status: 405 } };
  return new GraphQLError('A mutation is taken by POST only', { extensions });
}
