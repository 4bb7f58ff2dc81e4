import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { z } from 'zod';
import type { ProjectCredentials } from '../auth/projects.ts';

/** A client as a frontend or a legacy poller has one: everything goes through the doors. */
export interface DemoClient {
  /** Starts a task and returns its id. Throws what the API refuses. */
  start(query: string, variables: Record<string, unknown>, file?: Blob): Promise<string>;
  query(query: string, variables: Record<string, unknown>): Promise<unknown>;
  /** Follows a task over the WebSocket until it has ended. */
  watch(id: string): AsyncIterable<TaskUpdate>;
  /** A GET of one of the REST paths. */
  poll(path: string, credentials: 'key' | 'token'): Promise<unknown>;
  close(): Promise<void>;
}

const taskUpdate = z.object({
  state: z.string(),
  version: z.number(),
  ratePerSecond: z.number().nullable(),
  counts: z.object({ total: z.number(), processed: z.number(), failed: z.number() }),
});
export type TaskUpdate = z.infer<typeof taskUpdate>;

const answer = z.object({ data: z.record(z.string(), z.unknown()).nullish(), errors: z.array(z.unknown()).optional() });
const payload = z.object({
  task: z.object({ id: z.string() }).nullable(),
  userErrors: z.array(z.object({ message: z.string() })),
});

const subscription = `subscription ($id: ID!) {
  bulkTask(id: $id) { ... on TaskProgress { state version ratePerSecond counts { total processed failed } } }
}`;

export function openDemoClient(url: string, credentials: ProjectCredentials): DemoClient {
  const keys = { 'X-App-Id': credentials.appId, 'X-App-Token': credentials.appToken };
  const socket = createClient({
    url: `${url.replace(/^http/, 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: keys,
  });

  const post = async (body: string | FormData) => {
    const headers = typeof body === 'string' ? { ...keys, 'content-type': 'application/json' } : keys;
    const response = await fetch(`${url}/graphql`, { method: 'POST', headers, body });
    return dataOf(await response.json());
  };

  return {
    async start(query, variables, file) {
      const body = JSON.stringify({ query, variables });
      const data = await post(file === undefined ? body : multipart(body, file));
      const { task, userErrors } = payload.parse(Object.values(data)[0]);
      if (task === null) throw new Error(userErrors.map((error) => error.message).join('; '));
      return task.id;
    },
    query: (query, variables) => post(JSON.stringify({ query, variables })),
    async *watch(id) {
      for await (const result of socket.iterate({ query: subscription, variables: { id } })) {
        yield taskUpdate.parse(dataOf(result).bulkTask);
      }
    },
    async poll(path, kind) {
      const headers = kind === 'key' ? keys : { authorization: `Bearer ${await fetchToken(url, credentials)}` };
      const response = await fetch(`${url}${path}`, { headers });
      return response.json();
    },
    close: async () => socket.dispose(),
  };
}

function dataOf(body: unknown): Record<string, unknown> {
  const { data, errors } = answer.parse(body);
  if (errors !== undefined || data == null) throw new Error(`GraphQL refused: ${JSON.stringify(errors)}`);
  return data;
}

/** The request of the GraphQL multipart request specification with one file, the variable `file`. */
function multipart(operations: string, file: Blob): FormData {
  const form = new FormData();
  form.set('operations', operations);
  form.set('map', JSON.stringify({ 0: ['variables.file'] }));
  form.set('0', file, 'vouchers.csv');
  return form;
}

async function fetchToken(url: string, credentials: ProjectCredentials): Promise<string> {
  const { username, password } = credentials;
  const response = await fetch(`${url}/v2/token`, {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'password', username, password }),
  });
  return z.object({ accessToken: z.string() }).parse(await response.json()).accessToken;
}
