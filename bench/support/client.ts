import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { json } from 'node:stream/consumers';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import type { ProjectCredentials } from '../../src/auth/projects.ts';

type JsonBody = string | Buffer;
type Answer = Record<string, unknown>;

/** Starts a task with this JSON body and returns its id. Throws when there are errors or user errors. */
export async function mutate(url: string, credentials: ProjectCredentials, body: JsonBody): Promise<string> {
  return startedBy(await post(`${url}/graphql`, credentials, body));
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
  const response = await fetch(`${url}/graphql`, { method: 'POST', headers: headersOf(credentials), body: form });
  return startedBy((await response.json()) as Answer);
}

/** Starts VOUCHERS.IMPORT on its REST path and returns the task's id. */
export async function importVouchers(url: string, credentials: ProjectCredentials, body: JsonBody): Promise<string> {
  const answer = await post(`${url}/v1/vouchers/import`, credentials, body);
  if (typeof answer.async_action_id !== 'string') throw new Error(JSON.stringify(answer));
  return answer.async_action_id;
}

/** Not with `fetch`, which copies a body before it sends it: collecting the copies takes a client longer than all else it does. */
async function post(url: string, credentials: ProjectCredentials, body: JsonBody): Promise<Answer> {
  const headers = { ...headersOf(credentials), 'content-type': 'application/json' };
  const sent = request(url, { method: 'POST', headers }).end(body);
  const [response]: IncomingMessage[] = await once(sent, 'response');
  if (response === undefined) throw new Error('there is no answer');
  return (await json(response)) as Answer;
}

function headersOf({ appId, appToken }: ProjectCredentials) {
  return { 'x-app-id': appId, 'x-app-token': appToken };
}

function startedBy(answer: Answer): string {
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
