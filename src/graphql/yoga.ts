import { type ExecutionArgs, execute, type GraphQLSchema } from 'graphql';
import { createYoga, type Plugin, type YogaServerInstance } from 'graphql-yoga';
import type { Context } from './context.ts';
import type { Documents } from './documents.ts';
import { presentResult } from './errors.ts';
import { createGraphiqlRenderer } from './graphiql.ts';
import { checkCost, parseLimited } from './limits.ts';
import { type OpenedSubscription, openSubscription } from './source-streams.ts';

/** The context of one operation; over HTTP with the parameters of a POST, which were read already. */
export interface ServerContext extends Context {
  readonly body?: object;
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

/** GraphQL over HTTP, GraphiQL for browsers, and what negotiates server-sent events. */
export function openYoga(schema: GraphQLSchema, { parsed }: Documents): Yoga {
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
    parserAndValidationCache: {
      documentCache: parsed,
      errorCache: { get: () => undefined, set: () => undefined },
    },
    plugins: [takeBody, boundOperations, presentErrors, streamOutside],
  });
}

const takeBody: Plugin<ServerContext, ServerContext> = {
  onRequestParse({ serverContext: { body }, setRequestParser }) {
    if (body !== undefined) setRequestParser(() => body);
  },
};

const boundOperations: Plugin<ServerContext, ServerContext> = {
  onParse({ setParseFn }) {
    setParseFn(parseLimited);
  },
  onExecute({ args, setExecuteFn, setResultAndStopExecution }) {
    setExecuteFn(execute);
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
    if (!(Symbol.asyncIterator in result)) setResult(presentResult(result, serverContext));
  },
};
