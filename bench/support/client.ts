import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import type { ProjectCredentials } from '../../src/auth/projects.ts';

/** A GraphQL answer's data. Throws when there are errors or user errors. */
export async function mutate(
  url: string,
  credentials: ProjectCredentials,
  query: string,
  variables: Record<string, unknown>,
): Promise<Started> {
  return post(url, credentials, JSON.stringify({ query, variables }), { 'content-type': 'application/json' });
}

type Started = Record<string, { task: { id: string }; userErrors: unknown[] }>;

/** The same with a file for the variable `file`. */
export async function mutateWithFile(
  url: string,
  credentials: ProjectCredentials,
  query: string,
  file: Blob,
): Promise<Started> {
  const form = new FormData();
  form.set('operations', JSON.stringify({ query, variables: { file: null } }));
  form.set('map', JSON.stringify({ 0: ['variables.file'] }));
  form.set('0', file, 'vouchers.csv');
  return post(url, credentials, form, {});
}

async function post(
  url: string,
  credentials: ProjectCredentials,
  body: string | FormData,
  headers: Record<string, string>,
): Promise<Started> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { ...headers, 'x-app-id': credentials.appId, 'x-app-token': credentials.appToken },
    body,
  });
  const { data, errors } = (await response.json()) as { data: never; errors?: unknown };
  if (errors !== undefined) throw new Error(JSON.stringify(errors));
  return data;
}

export interface Watch {
  /** How many snapshots came, the final one included. */
  readonly updates: number;
  readonly final: Record<string, unknown>;
}

/** Follows a task over the WebSocket until its final snapshot. */
export async function watchTask(url: string, credentials: ProjectCredentials, id: string): Promise<Watch> {
  const client = createClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { 'X-App-Id': credentials.appId, 'X-App-Token': credentials.appToken },
  });
  let updates = 0;
  let final: Record<string, unknown> = {};
  const query = `subscription ($id: ID!) {
    bulkTask(id: $id) { ... on TaskProgress { id state version progress counts { total processed succeeded failed } } }
  }`;
  for await (const { data, errors } of client.iterate<{ bulkTask: Record<string, unknown> }>({
    query,
    variables: { id },
  })) {
    if (errors !== undefined || data == null) throw new Error(JSON.stringify(errors));
    updates += 1;
    final = data.bulkTask;
  }
  await client.dispose();
  return { updates, final };
}
