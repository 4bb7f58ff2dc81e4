import { type DocumentNode, type ExecutionResult, GraphQLError } from 'graphql';
import type { Context } from './context.ts';
import { type Documents, selectOperation } from './documents.ts';
import type { Params } from './http-params.ts';
import type { OpenedSubscription } from './source-streams.ts';
import type { ServerContext, Yoga } from './yoga.ts';

/** What runs operations: the functions that yoga's plugins are wrapped around, and the documents. */
export interface Executing {
  readonly yoga: Yoga;
  readonly documents: Documents;
}

interface Asked {
  readonly method: string;
  readonly params: Params;
  readonly context: Context;
}

/** An operation that may run. Its errors are not presented yet. */
export type PreparedOperation =
  | { readonly kind: 'query' | 'mutation'; run(): Promise<ExecutionResult> }
  | { readonly kind: 'subscription'; open(): Promise<OpenedSubscription | ExecutionResult> };

/**
 * Makes an operation ready to run as yoga would, but without turning the request and the answer into web streams; or says why it
 * may not run. Errors are not presented yet.
 */
export function prepareOperation(
  { yoga, documents }: Executing,
  { method, params, context }: Asked,
): PreparedOperation | { readonly errors: readonly GraphQLError[] } {
  const { variables: variableValues, operationName } = params;
  const opened: NonNullable<ServerContext['opened']> = { subscription: undefined };
  const { schema, parse, validate, contextFactory, execute, subscribe } = yoga.getEnveloped({
    ...context,
    params,
    opened,
  });
  try {
    const text = documents.textOf(params);
    const known = documents.known(text);
    const document: DocumentNode = known ?? parse(text);
    const errors: readonly GraphQLError[] = known === undefined ? validate(schema, document) : [];
    if (errors.length > 0) return { errors };
    const { operation: kind } = selectOperation(document, operationName);
    if (kind === 'mutation' && method === 'GET') throw mutationByGet();
    const given = { schema, document, variableValues, operationName };
    if (kind !== 'subscription') {
      return { kind, run: async () => execute({ ...given, contextValue: await contextFactory() }) };
    }
    const open = async () => {
      const result = await subscribe({ ...given, contextValue: await contextFactory() });
      return opened.subscription ?? result;
    };
    return { kind, open };
  } catch (error) {
    if (error instanceof GraphQLError) return { errors: [error] };
    throw error;
  }
}

/** Runs a query or mutation. Undefined for a subscription. */
export function runOperation(
  executing: Executing,
  asked: Asked,
): ExecutionResult | undefined | Promise<ExecutionResult> {
  const prepared = prepareOperation(executing, asked);
  if ('errors' in prepared) return prepared;
  return prepared.kind === 'subscription' ? undefined : prepared.run();
}

/** RFC 9110: a GET changes nothing. */
function mutationByGet(): GraphQLError {
  const extensions = { code: 'BAD_USER_INPUT', http: { status: 405 } };
  return new GraphQLError('A mutation is taken by POST only', { extensions });
}
