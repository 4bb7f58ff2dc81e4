import { type ExecutionArgs, GraphQLError, type GraphQLSchema } from 'graphql';
import { CloseCode, type Context as Connection, makeServer, type Server, type SubscribePayload } from 'graphql-ws';
import { authenticate } from '../auth/authenticate.ts';
import { readCredentials } from '../auth/caller.ts';
import type { GatewayDeps } from '../deps.ts';
import { ClientError } from '../errors.ts';
import { rateLimited, type Taken } from '../limits/taken.ts';
import type { Outlets } from '../progress/outlet.ts';
import { newRequestId } from '../tasks/ids.ts';
import { isStorable } from '../tasks/input.ts';
import { type Context, depsOf } from './context.ts';
import { type Documents, selectOperation } from './documents.ts';
import { presentError } from './errors.ts';
import { executeOperation } from './execute.ts';
import { checkCost } from './limits.ts';
import type { LiveStreams } from './live-streams.ts';
import { runSubscription, type Session, type SocketOperation } from './socket-operation.ts';
import { openSubscription } from './source-streams.ts';
import { followCaller } from './standing.ts';

export type Protocol = Server<Session>;

export interface ProtocolDeps {
  readonly deps: GatewayDeps;
  readonly schema: GraphQLSchema;
  readonly documents: Documents;
  readonly streams: LiveStreams;
  readonly outlets: Outlets<Session>;
}

/** How an operation that was accepted is run. */
interface Run {
  readonly session: Session;
  readonly id: string;
  readonly operation: SocketOperation;
}

type Runs = WeakMap<ExecutionArgs, Run>;

const initWaitMs = 3_000;
const maxOperations = 1_000;

/** The protocol graphql-transport-ws with this project's credentials, limits and errors. */
export function openProtocol(given: ProtocolDeps): Protocol {
  const runs: Runs = new WeakMap();
  return makeServer<Record<string, unknown>, Session>({
    connectionInitWaitTimeout: initWaitMs,
    onConnect: (connection) => identify(given.deps, connection),
    onSubscribe: (connection, id, payload) =>
      countCall(given, connection.extra, id, prepare(given, runs, connection, id, payload)),
    execute: (args) => {
      const problem = checkCost(args);
      return problem === undefined ? executeOperation(args) : { errors: [problem] };
    },
    subscribe: (args) => subscribe(given, runs, args),
    onNext: ({ extra }, id, _payload, _args, result) => {
      const context = extra.operations.get(id)?.context;
      if (result.errors === undefined || context === undefined) return undefined;
      const errors = result.errors.map((error) => presentError(error, context).toJSON());
      return { errors, ...('data' in result ? { data: result.data ?? null } : {}) };
    },
    // Without a context the operation was refused before it began, and its errors are presented already.
    onError: ({ extra }, id, _payload, errors) => {
      const context = extra.operations.get(id)?.context;
      return errors.map((error) => (context === undefined ? error : presentError(error, context)).toJSON());
    },
    onComplete: ({ extra }, id) => {
      extra.operations.delete(id);
    },
  });
}

/** False closes the socket with 4403, as the loss of the caller's standing does later. */
async function identify(deps: GatewayDeps, connection: Connection<Record<string, unknown>, Session>): Promise<boolean> {
  const { extra: session } = connection;
  const credentials = readCredentials(connection.connectionParams);
  // The library would keep them as long as the socket is open.
  Object.assign(connection, { connectionParams: undefined });
  // JSON can say what no header can, and Postgres would choke on.
  if (!isStorable(credentials)) return false;
  try {
    session.caller = await authenticate(deps.auth, credentials);
  } catch (error) {
    if (error instanceof ClientError) return false;
    throw error;
  }
  if (session.caller === null) return false;
  followCaller(deps, session);
  return true;
}

/** Makes an operation ready to run, or says why it will not. */
function prepare(
  { deps, schema, documents }: ProtocolDeps,
  runs: Runs,
  { extra: session }: Connection<Record<string, unknown>, Session>,
  id: string,
  payload: SubscribePayload,
): ExecutionArgs | GraphQLError[] {
  const { caller } = session;
  const context: Context = { deps: depsOf(deps, caller), caller, requestId: newRequestId(), transport: 'websocket' };
  if (session.operations.has(id)) {
    // The library forgets an operation as soon as the client completes it, even while it is still being prepared.
    session.socket.close(CloseCode.SubscriberAlreadyExists, 'Subscriber already exists');
    return [new GraphQLError('Subscriber already exists')];
  }
  if (session.operations.size >= maxOperations) return [presentError(tooManyOperations(), context)];
  const operation: SocketOperation = { context, membership: undefined };
  session.operations.set(id, operation);
  const refuse = (errors: readonly unknown[]) => {
    session.operations.delete(id);
    return errors.map((error) => presentError(error, context));
  };
  try {
    const document = documents.parse(documents.textOf({ ...payload, documentId: documentIdOf(payload) }));
    const errors = documents.validate(document);
    if (errors.length > 0) return refuse(errors);
    const { operationName, variables: variableValues } = payload;
    selectOperation(document, operationName);
    const args: ExecutionArgs = { schema, document, operationName, variableValues, contextValue: context };
    runs.set(args, { session, id, operation });
    // The library holds on to the message as long as the operation runs.
    Object.assign(payload, { query: '', variables: undefined });
    return args;
  } catch (error) {
    return refuse([error]);
  }
}

/** Lets an operation run if its caller has a call left. */
function countCall(
  { deps: { limits } }: ProtocolDeps,
  { operations, caller }: Session,
  id: string,
  prepared: ExecutionArgs | GraphQLError[],
): ReturnType<typeof prepare> | Promise<ReturnType<typeof prepare>> {
  const context = operations.get(id)?.context;
  if (caller === null || context === undefined || Array.isArray(prepared)) return prepared;
  const judge = (taken: Taken | undefined) => {
    if (taken?.isGranted !== false) return prepared;
    operations.delete(id);
    return [presentError(rateLimited(taken), context)];
  };
  const taken = limits.calls.take(caller);
  return taken instanceof Promise ? taken.then(judge) : judge(taken);
}

/** The protocol does not know it, and lets it pass. */
function documentIdOf(payload: object): string | undefined {
  return 'documentId' in payload && typeof payload.documentId === 'string' ? payload.documentId : undefined;
}

async function subscribe(given: ProtocolDeps, runs: Runs, args: ExecutionArgs) {
  const run = runs.get(args);
  if (run === undefined) throw new Error('an operation runs that was not prepared');
  const problem = checkCost(args);
  if (problem !== undefined) return { errors: [problem] };
  const subscription = await openSubscription(args);
  if (!('source' in subscription)) return subscription;
  // And to these.
  Object.assign(args, { variableValues: undefined });
  return runSubscription({ ...run, subscription }, given);
}

function tooManyOperations(): GraphQLError {
  const message = `This socket runs ${maxOperations} operations already; open another`;
  return new GraphQLError(message, { extensions: { code: 'TOO_MANY_OPERATIONS' } });
}
