import { type ExecutionArgs, GraphQLError, getOperationAST, OperationTypeNode } from 'graphql';
import { CloseCode, type Context as Connection, makeServer, type Server, type SubscribePayload } from 'graphql-ws';
import { authenticate } from '../auth/authenticate.ts';
import { readCredentials } from '../auth/caller.ts';
import type { GatewayDeps } from '../deps.ts';
import { ClientError } from '../errors.ts';
import type { Outlets } from '../progress/outlet.ts';
import { newRequestId } from '../tasks/ids.ts';
import { isStorable } from '../tasks/input.ts';
import type { Context } from './context.ts';
import { presentError } from './errors.ts';
import { checkCost, checkLength } from './limits.ts';
import type { LiveStreams } from './live-streams.ts';
import { runSubscription, type Session } from './socket-operation.ts';
import { openSubscription } from './source-streams.ts';
import type { Yoga } from './yoga.ts';

export type Protocol = Server<Session>;

interface ProtocolDeps {
  readonly deps: GatewayDeps;
  readonly yoga: Yoga;
  readonly streams: LiveStreams;
  readonly outlets: Outlets<Session>;
}

/** How an operation that was accepted is run. */
interface Run {
  readonly session: Session;
  readonly id: string;
  readonly context: Context;
  readonly execute: ReturnType<Yoga['getEnveloped']>['execute'];
}

type Runs = WeakMap<ExecutionArgs, Run>;

const initWaitMs = 3_000;
const maxOperations = 1_000;

/** The protocol graphql-transport-ws with this project's credentials, limits and errors. */
export function openProtocol(given: ProtocolDeps): Protocol {
  const runs: Runs = new WeakMap();
  const takeRun = (args: ExecutionArgs): Run => {
    const run = runs.get(args);
    if (run === undefined) throw new Error('an operation runs that was not prepared');
    runs.delete(args);
    return run;
  };
  return makeServer<Record<string, unknown>, Session>({
    connectionInitWaitTimeout: initWaitMs,
    onConnect: ({ connectionParams, extra }) => identify(given.deps, connectionParams, extra),
    onSubscribe: (connection, id, payload) => prepare(given, runs, connection, id, payload),
    execute: (args) => takeRun(args).execute(args),
    subscribe: async (args) => {
      const run = takeRun(args);
      const problem = checkCost(args);
      if (problem !== undefined) return { errors: [problem] };
      const subscription = await openSubscription(args);
      return 'source' in subscription ? runSubscription({ ...run, subscription }, given) : subscription;
    },
    onNext: ({ extra }, id, _payload, _args, result) => {
      const context = extra.contexts.get(id);
      if (result.errors === undefined || context === undefined) return undefined;
      const errors = result.errors.map((error) => presentError(error, context).toJSON());
      return { errors, ...('data' in result ? { data: result.data ?? null } : {}) };
    },
    // Without a context the operation was refused before it began, and its errors are presented already.
    onError: ({ extra }, id, _payload, errors) => {
      const context = extra.contexts.get(id);
      return errors.map((error) => (context === undefined ? error : presentError(error, context)).toJSON());
    },
    onComplete: ({ extra }, id) => {
      extra.contexts.delete(id);
    },
  });
}

/** False closes the socket with 4403. A token's socket is closed so when the token ends. */
async function identify(
  deps: GatewayDeps,
  parameters: Connection['connectionParams'],
  session: Session,
): Promise<boolean> {
  const { socket } = session;
  const credentials = readCredentials(parameters);
  // JSON can say what no header can, and Postgres would choke on.
  if (!isStorable(credentials)) return false;
  try {
    session.caller = await authenticate(deps.auth, credentials);
  } catch (error) {
    if (error instanceof ClientError) return false;
    throw error;
  }
  if (session.caller === null) return false;
  const { expiresAt } = session.caller;
  if (expiresAt !== null && socket.readyState === socket.OPEN) {
    const end = setTimeout(() => socket.close(CloseCode.Forbidden, 'Forbidden'), expiresAt.getTime() - Date.now());
    socket.once('close', () => clearTimeout(end));
  }
  return true;
}

/** Makes an operation ready to run, or says why it will not. */
async function prepare(
  { deps, yoga }: ProtocolDeps,
  runs: Runs,
  { extra: session }: Connection<Record<string, unknown>, Session>,
  id: string,
  payload: SubscribePayload,
): Promise<ExecutionArgs | GraphQLError[]> {
  const context: Context = { deps, caller: session.caller, requestId: newRequestId(), transport: 'websocket' };
  if (session.contexts.has(id)) {
    // The library forgets an operation as soon as the client completes it, even while it is still being prepared.
    session.socket.close(CloseCode.SubscriberAlreadyExists, 'Subscriber already exists');
    return [tooManyOperations()];
  }
  if (session.contexts.size >= maxOperations) return [presentError(tooManyOperations(), context)];
  session.contexts.set(id, context);
  const refuse = (errors: readonly unknown[]) => {
    session.contexts.delete(id);
    return errors.map((error) => presentError(error, context));
  };
  try {
    checkLength(payload.query);
    const run = yoga.getEnveloped({ ...context, params: payload });
    const document = run.parse(payload.query);
    const errors: readonly GraphQLError[] = run.validate(run.schema, document);
    if (errors.length > 0) return refuse(errors);
    const isSubscription =
      getOperationAST(document, payload.operationName)?.operation === OperationTypeNode.SUBSCRIPTION;
    const args: ExecutionArgs = {
      schema: run.schema,
      document,
      operationName: payload.operationName,
      variableValues: payload.variables,
      contextValue: isSubscription ? context : await run.contextFactory(),
    };
    runs.set(args, { session, id, context, execute: run.execute });
    return args;
  } catch (error) {
    return refuse([error]);
  }
}

function tooManyOperations(): GraphQLError {
  const message = `This socket runs ${maxOperations} operations already; open another`;
  return new GraphQLError(message, { extensions: { code: 'TOO_MANY_OPERATIONS' } });
}
