import { type DocumentNode, type ExecutionResult, GraphQLError } from 'graphql';
import type { Context } from './context.ts';
import { type Documents, selectOperation } from './documents.ts';
import type { Params } from './http-params.ts';
import type { OpenedSubscription } from './source-streams.ts';
import type { ServerContext, Yoga } from './yoga.ts';

/** What runs operations: the functions that yoga's plugins are wrapped around, and the documents. What plugins do to parsing and
 *  validation is done once for a document, what they do to execution each time. None makes contexts: they are ours. */
export interface Executing {
  readonly yoga: Yoga;
  /** Of any context: that is in their arguments. */
  readonly enveloped: Pick<ReturnType<Yoga['getEnveloped']>, 'schema' | 'execute' | 'subscribe'>;
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
  executing: Executing,
  { method, params, context }: Asked,
): PreparedOperation | { readonly errors: readonly GraphQLError[] } {
  const { variables: variableValues, operationName } = params;
  const opened: NonNullable<ServerContext['opened']> = { subscription: undefined };
  const contextValue = { ...context, params, opened };
  try {
    const { document, errors } = readDocument(executing, contextValue);
    if (errors.length > 0) return { errors };
    const { operation: kind } = selectOperation(document, operationName);
    if (kind === 'mutation' && method === 'GET') throw mutationByGet();
    const { schema, execute, subscribe } = executing.enveloped;
    const given = { schema, document, variableValues, operationName, contextValue };
    if (kind !== 'subscription') return { kind, run: async () => execute(given) };
    const open = async () => {
      const result = await subscribe(given);
      return opened.subscription ?? result;
    };
    return { kind, open };
  } catch (error) {
    if (error instanceof GraphQLError) return { errors: [error] };
    throw error;
  }
}

function readDocument(
  { yoga, documents }: Executing,
  context: ServerContext & { readonly params: Params },
): { readonly document: DocumentNode; readonly errors: readonly GraphQLError[] } {
  const text = documents.textOf(context.params);
  const known = documents.known(text);
  if (known !== undefined) return { document: known, errors: [] };
  const { schema, parse, validate } = yoga.getEnveloped(context);
  const document = parse(text);
  return { document, errors: validate(schema, document) };
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
