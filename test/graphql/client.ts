import { createClient as createSseClient } from 'graphql-sse';
import { type Client, createClient } from 'graphql-ws';
import type { TestApp } from '../support/gateway.ts';
import { waitFor } from '../support/wait.ts';

export type Headers = Readonly<Record<string, string>>;

export interface ShownError {
  readonly message: string;
  readonly path?: readonly (string | number)[];
  readonly extensions: { readonly code: string; readonly requestId: string };
}

export interface Answer<Data> {
  readonly status: number;
  readonly headers: globalThis.Headers;
  readonly data: Data;
  readonly errors: readonly ShownError[] | undefined;
}

/** Posts one operation, with the app's project as the caller unless other headers are given. */
export async function ask<Data = unknown>(
  app: TestApp,
  query: string,
  variables: object = {},
  headers: Headers = app.project.headers,
): Promise<Answer<Data>> {
  return post(app, JSON.stringify({ query, variables }), { 'content-type': 'application/json', ...headers });
}

/** Posts any body. Fails when the answer is no GraphQL response. */
export async function post<Data = unknown>(app: TestApp, body: BodyInit, headers: Headers): Promise<Answer<Data>> {
  return readAnswer(await fetch(`${app.url}/graphql`, { method: 'POST', headers, body }));
}

export async function readAnswer<Data>(response: Response): Promise<Answer<Data>> {
  const { data, errors } = (await response.json()) as { data: Data; errors?: ShownError[] };
  return { status: response.status, headers: response.headers, data, errors };
}

/** The codes of an answer's errors. */
export function codes(answer: { readonly errors: readonly ShownError[] | undefined }): string[] | undefined {
  return answer.errors?.map((error) => error.extensions.code);
}

const issue = `mutation ($input: IssueGiftCardsInput!, $key: String) {
  issueGiftCards(input: $input, idempotencyKey: $key) { task { id } userErrors { field message code } }
}`;

/** Starts an issuance of `count` cards and returns its id. */
export async function issueCards(app: TestApp, count: number, project = app.project): Promise<string> {
  const input = { programId: project.programId, initialValue: '10.00', count };
  const answer = await ask<{ issueGiftCards: { task: { id: string } } }>(app, issue, { input }, project.headers);
  return answer.data.issueGiftCards.task.id;
}

/** Starts an import of these vouchers and returns its id. */
export async function importVouchers(app: TestApp, vouchers: readonly object[]): Promise<string> {
  const query = `mutation ($vouchers: [VoucherInput!]!) { importVouchers(input: { vouchers: $vouchers }) { task { id } } }`;
  const answer = await ask<{ importVouchers: { task: { id: string } } }>(app, query, { vouchers });
  return answer.data.importVouchers.task.id;
}

/** Waits until a task has SUCCEEDED. */
export async function succeeded(app: TestApp, id: string): Promise<void> {
  const query = 'query ($id: ID!) { bulkTask(id: $id) { ... on TaskProgress { state } } }';
  const isThrough = async () => {
    const { data } = await ask<{ bulkTask: { state: string } }>(app, query, { id });
    return data.bulkTask.state === 'SUCCEEDED';
  };
  await waitFor(isThrough, { message: `the task ${id} has SUCCEEDED`, timeoutMs: 20_000 });
}

/** One message of a subscription. */
export interface Pushed {
  readonly data?: unknown;
  readonly errors?: unknown;
}

export interface Subscribing {
  subscribe(query: string, variables?: object): AsyncIterableIterator<Pushed>;
  dispose(): void | Promise<void>;
}

/** The official WebSocket client; it does not come back when its socket is closed. */
export function overWebSocket(app: TestApp, headers: object = app.project.headers): Subscribing & { client: Client } {
  const client = createClient({ url: app.wsUrl, connectionParams: { ...headers }, retryAttempts: 0 });
  return {
    client,
    subscribe: (query, variables = {}) => client.iterate({ query, variables: { ...variables } }),
    dispose: () => client.dispose(),
  };
}

/** The official client for server-sent events; it does not come back either. */
export function overSse(app: TestApp, headers: Headers = app.project.headers): Subscribing {
  const client = createSseClient({ url: `${app.url}/graphql`, headers: { ...headers }, retryAttempts: 0 });
  return {
    subscribe: (query, variables = {}) => client.iterate({ query, variables: { ...variables } }),
    dispose: () => client.dispose(),
  };
}

export const transports = { WebSocket: overWebSocket, 'server-sent events': overSse } as const;

/** Reads everything that is pushed until the stream completes. */
export async function readAll<Data>(results: AsyncIterable<Pushed>): Promise<Data[]> {
  const all: Data[] = [];
  for await (const result of results) {
    if (result.errors !== undefined) throw new Error(`expected data, got ${JSON.stringify(result.errors)}`);
    all.push(result.data as Data);
  }
  return all;
}
