import { type ExecutionResult, execute, type GraphQLSchema } from 'graphql';
import {
  _createLRUCache as createLruCache,
  createYoga,
  mapAsyncIterator,
  type Plugin,
  type YogaServerInstance,
} from 'graphql-yoga';
import type { Context } from './context.ts';
import { presentResult } from './errors.ts';
import { createGraphiqlRenderer } from './graphiql.ts';
import { checkCost, parseLimited } from './limits.ts';

/** The context of one operation; over HTTP with the parameters of a POST, which were read already. */
export interface ServerContext extends Context {
  readonly body?: object;
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

/** Documents that are kept parsed. Those that did not parse are not kept: anybody can send them. */
const documentCache = { max: 200, ttl: 3_600_000 };

/** GraphQL over HTTP and server-sent events, GraphiQL for browsers, and the execution that the WebSocket shares. */
export function openYoga(schema: GraphQLSchema): Yoga {
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
      documentCache: createLruCache(documentCache),
      errorCache: { get: () => undefined, set: () => undefined },
    },
    plugins: [takeBody, boundOperations, presentErrors],
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
  onSubscribe({ args, setResultAndStopExecution }) {
    const error = checkCost(args);
    if (error !== undefined) setResultAndStopExecution({ errors: [error] });
  },
};

const presentErrors: Plugin<ServerContext, ServerContext> = {
  onResultProcess({ result, setResult, serverContext }) {
    if (Array.isArray(result)) return;
    const present = (one: ExecutionResult) => presentResult(one, serverContext);
    setResult(Symbol.asyncIterator in result ? mapAsyncIterator(result, present) : present(result));
  },
};
