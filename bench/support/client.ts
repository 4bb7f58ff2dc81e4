import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import type { ProjectCredentials } from '../../src/auth/projects.ts';

/** Starts a task with this JSON body and returns its id. Throws when there are errors or user errors. */
export async function mutate(url: string, credentials: ProjectCredentials, body: string): Promise<string> {
  return startedBy(await post(`${url}/graphql`, credentials, body, { 'content-type': 'application/json' }));
}

/** The same with a file for the variable `file`. */
export async function mutateWithFile(
  url: string,
  credentials: ProjectCredentials,
  query: string,
  file: Blob,
): Promise<string> {
  const form = new FormData();
  form.set('operations', JSON.stringify({ query, variables: { file: null } }));
  form.set('map', JSON.stringify({ 0: ['variables.file'] }));
  form.set('0', file, 'vouchers.csv');
  return startedBy(await post(`${url}/graphql`, credentials, form, {}));
}

/** Starts VOUCHERS.IMPORT on its REST path and returns the task's id. */
export async function importVouchers(url: string, credentials: ProjectCredentials, body: string): Promise<string> {
  const headers = { 'content-type': 'application/json' };
  const answer = await post(`${url}/v1/vouchers/import`, credentials, body, headers);
  if (typeof answer.async_action_id !== 'string') throw new Error(JSON.stringify(answer));
  return answer.async_action_id;
}

async function post(
  url: string,
  credentials: ProjectCredentials,
  body: string | FormData,
  headers: Record<string, string>,
): Promise<Record<string, unknown>> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { ...headers, 'x-app-id': credentials.appId, 'x-app-token': credentials.appToken },
    body,
  });
  return (await response.json()) as Record<string, unknown>;
}

function startedBy(answer: Record<string, unknown>): string {
  const [payload] = Object.values((answer.data ?? {}) as Record<string, { task: { id: string } | null }>);
  if (payload?.task == null) throw new Error(JSON.stringify(answer));
  return payload.task.id;
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
