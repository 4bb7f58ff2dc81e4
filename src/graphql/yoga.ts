import type { ExecutionArgs, GraphQLSchema } from 'graphql';
import { createYoga, type Plugin, type YogaServerInstance } from 'graphql-yoga';
import type { Context } from './context.ts';
import type { Documents } from './documents.ts';
import { presentResult } from './errors.ts';
import { executeOperation } from './execute.ts';
import { createGraphiqlRenderer } from './graphiql.ts';
import type { Params } from './http-params.ts';
import { checkCost } from './limits.ts';
import { type OpenedSubscription, openSubscription } from './source-streams.ts';

/** The context of one operation. */
export interface ServerContext extends Context {
  /** The parameters, where they were read already. */
  readonly given?: Params;
  /** Where a subscription is left that is to be streamed; yoga then makes no more than the head of the answer. */
  readonly opened?: { subscription: OpenedSubscription | undefined };
}

export type Yoga = YogaServerInstance<ServerContext, Record<string, never>>;

export const graphqlPath = '/graphql';

const firstQuery = `# Put your credentials into the headers below: {"X-App-Id": "…", "X-App-Token": "…"}
query newestTasks {
  bulkTasks(first: 5) {
    edges {
      node {
        ... on TaskProgress {
          id
          state
          progress
          counts { total succeeded failed }
        }
      }
    }
  }
}

subscription everyChange {
  bulkTasks {
    ... on TaskProgress {
      id
      state
      version
      progress
    }
  }
}
`;

/** What GraphQL over HTTP is made of: the functions its plugins are wrapped around, GraphiQL, and what negotiates server-sent events. */
export function openYoga(schema: GraphQLSchema, documents: Documents): Yoga {
  return createYoga<ServerContext, Record<string, never>>({
    schema,
    graphqlEndpoint: graphqlPath,
    landingPage: false,
    logging: false,
    // Both are done around yoga, for its own refusals and the WebSocket too.
    cors: false,
    maskedErrors: false,
    // The bodies are read by Fastify, files as they arrive.
    multipart: false,
    maxRequestBodySize: false,
    batching: false,
    graphiql: { title: 'bulkcast', defaultQuery: firstQuery, subscriptionsProtocol: 'SSE' },
    renderGraphiQL: createGraphiqlRenderer(),
    parserAndValidationCache: false,
    plugins: [takeParams, shareDocuments(documents), boundOperations, presentErrors, streamOutside],
  });
}

const takeParams: Plugin<ServerContext, ServerContext> = {
  onRequestParse({ serverContext: { given }, setRequestParser }) {
    if (given !== undefined) setRequestParser(() => ({ ...given }));
  },
};

/** The same caches and errors as over WebSocket. */
function shareDocuments(documents: Documents): Plugin<ServerContext, ServerContext> {
  return {
    onParse({ setParseFn }) {
      setParseFn((source) => documents.parse(typeof source === 'string' ? source : source.body));
    },
    onValidate({ params, setResult }) {
      setResult(documents.validate(params.documentAST));
    },
  };
}

const boundOperations: Plugin<ServerContext, ServerContext> = {
  onExecute({ args, setExecuteFn, setResultAndStopExecution }) {
    setExecuteFn(executeOperation);
    const error = checkCost(args);
    if (error !== undefined) setResultAndStopExecution({ errors: [error] });
  },
  onSubscribe({ args, setResultAndStopExecution, setSubscribeFn }) {
    const error = checkCost(args);
    if (error !== undefined) setResultAndStopExecution({ errors: [error] });
    setSubscribeFn((given) => leaveSubscription(given, args.contextValue));
  },
};

/** Opens a subscription for whoever has asked yoga to negotiate it. The empty stream only says that there is one. */
async function leaveSubscription(args: ExecutionArgs, { opened }: ServerContext) {
  if (opened === undefined) throw new Error('nobody streams this subscription');
  const subscription = await openSubscription(args);
  if (!('source' in subscription)) return subscription;
  opened.subscription = subscription;
  return (async function* nothing() {})();
}

const streamOutside: Plugin<ServerContext, ServerContext> = {
  onResultProcess({ resultProcessor, setResultProcessor, serverContext }) {
    if (resultProcessor === undefined || serverContext.opened?.subscription === undefined) return;
    setResultProcessor((_result, { Response }) => new Response(null), 'text/event-stream');
  },
};

const presentErrors: Plugin<ServerContext, ServerContext> = {
  onResultProcess({ result, setResult, serverContext }) {
    if (Array.isArray(result)) return;
    if (Symbol.asyncIterator in result) return;
    // Without a hint on the status: whoever accepts an event stream is told what is wrong as an event.
    setResult(presentResult(result, serverContext, 'websocket'));
  },
};
