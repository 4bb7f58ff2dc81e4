import { type ExecutionArgs, GraphQLError } from 'graphql';
import { type Context as Connection, makeServer, type Server, type SubscribePayload } from 'graphql-ws';
import type { WebSocket } from 'ws';
import { authenticate } from '../auth/authenticate.ts';
import { type Caller, readCredentials } from '../auth/caller.ts';
import type { GatewayDeps } from '../deps.ts';
import { ClientError } from '../errors.ts';
import { newRequestId } from '../tasks/ids.ts';
import { isStorable } from '../tasks/input.ts';
import type { Context } from './context.ts';
import { presentError } from './errors.ts';
import { checkLength } from './limits.ts';
import type { Yoga } from './yoga.ts';

/** One socket: who it belongs to once it is acknowledged, and the context of each operation that runs on it. */
interface Session {
  readonly socket: WebSocket;
  caller: Caller | null;
  readonly contexts: Map<string, Context>;
}

export type Protocol = Server<Session>;
type Enveloped = ReturnType<Yoga['getEnveloped']>;

const initWaitMs = 3_000;
const maxOperations = 1_000;
const forbiddenCode = 4403;

/** The protocol graphql-transport-ws with this project's credentials, limits and errors. */
export function openProtocol({ deps, yoga }: { readonly deps: GatewayDeps; readonly yoga: Yoga }): Protocol {
  const runs = new WeakMap<ExecutionArgs, Enveloped>();
  const runOf = (args: ExecutionArgs): Enveloped => {
    const run = runs.get(args);
    if (run === undefined) throw new Error('an operation runs that was not prepared');
    return run;
  };
  return makeServer<Record<string, unknown>, Session>({
    connectionInitWaitTimeout: initWaitMs,
    onConnect: ({ connectionParams, extra }) => identify(deps, connectionParams, extra),
    onSubscribe: (connection, id, payload) => prepare({ deps, yoga, runs }, connection, id, payload),
    execute: (args) => runOf(args).execute(args),
    subscribe: (args) => runOf(args).subscribe(args),
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
    const end = setTimeout(() => socket.close(forbiddenCode, 'Forbidden'), expiresAt.getTime() - Date.now());
    socket.once('close', () => clearTimeout(end));
  }
  return true;
}

/** Makes an operation ready to run, or says why it will not. */
async function prepare(
  { deps, yoga, runs }: { deps: GatewayDeps; yoga: Yoga; runs: WeakMap<ExecutionArgs, Enveloped> },
  { extra, subscriptions }: Connection<Record<string, unknown>, Session>,
  id: string,
  payload: SubscribePayload,
): Promise<ExecutionArgs | GraphQLError[]> {
  const context: Context = { deps, caller: extra.caller, requestId: newRequestId(), transport: 'websocket' };
  try {
    if (Object.keys(subscriptions).length > maxOperations) throw tooManyOperations();
    checkLength(payload.query);
    const run = yoga.getEnveloped({ ...context, params: payload });
    const document = run.parse(payload.query);
    const errors: readonly GraphQLError[] = run.validate(run.schema, document);
    if (errors.length > 0) return errors.map((error) => presentError(error, context));
    const args: ExecutionArgs = {
      schema: run.schema,
      document,
      operationName: payload.operationName,
      variableValues: payload.variables,
      contextValue: await run.contextFactory(),
    };
    runs.set(args, run);
    extra.contexts.set(id, context);
    return args;
  } catch (error) {
    return [presentError(error, context)];
  }
}

function tooManyOperations(): GraphQLError {
  const message = `This socket runs ${maxOperations} operations already; open another`;
  return new GraphQLError(message, { extensions: { code: 'TOO_MANY_OPERATIONS' } });
}
