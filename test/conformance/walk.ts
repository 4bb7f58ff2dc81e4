import { expect } from 'vitest';
import type { ActionWithResult } from '../../src/rest/async-action/shapes.ts';
import { overWebSocket, post, readAll } from '../graphql/client.ts';
import { type Answer, createClient } from '../rest/client.ts';
import { checkAsyncAction, checkResult } from '../support/contracts.ts';
import type { TestApp } from '../support/gateway.ts';
import { waitFor } from '../support/wait.ts';

/** One type of async action: prepares data under names that begin with `prefix`, and says what to start and to expect. */
export type Scenario = (app: TestApp, prefix: string) => Promise<Walk>;

export interface Walk {
  readonly mutation: string;
  /** Names as on the wire; the GraphQL door gets them in camel case. */
  readonly input: Readonly<Record<string, unknown>>;
  /** The file of a CSV import. */
  readonly csv?: string;
  readonly rest: {
    readonly method?: 'POST' | 'PUT' | 'DELETE';
    readonly path: string;
    readonly status: 200 | 202;
    readonly body?: unknown;
  };
  readonly done: number;
  readonly failed: number;
  /** Reads the effect back over REST and expects it. */
  effect(): Promise<void>;
}

export const doors = { GraphQL: startByMutation, REST: startByRest } as const;

interface Pushed {
  readonly bulkTask: { readonly state: string; readonly version: number; readonly progress: number };
}

const subscription = `subscription ($id: ID!) {
  bulkTask(id: $id) { ... on TaskProgress { id state version progress } }
}`;

/** Follows an action by subscription and by polling until it ends; both must end in the same version. */
export async function follow(app: TestApp, id: string): Promise<ActionWithResult> {
  const socket = overWebSocket(app);
  try {
    const [pushed, polled] = await Promise.all([
      readAll<Pushed>(socket.subscribe(subscription, { id })),
      pollToEnd(app, id),
    ]);
    const snapshots = pushed.map(({ bulkTask }) => bulkTask);
    for (const [index, { version, progress }] of snapshots.entries()) {
      const before = snapshots[index - 1] ?? { version: -1, progress: 0 };
      expect(version).toBeGreaterThan(before.version);
      expect(progress).toBeGreaterThanOrEqual(before.progress);
    }
    expect(snapshots.at(-1)).toMatchObject({ state: 'SUCCEEDED', progress: 100 });
    expect(polled.headers.get('etag')).toBe(`"${snapshots.at(-1)?.version}"`);
    return polled.body;
  } finally {
    await socket.dispose();
  }
}

/** Expects the result that the type has in the contract, with the counts that the walk foretells. */
export function expectResult(type: string, action: ActionWithResult, { done, failed }: Walk): void {
  expect(action).toMatchObject({ type, status: 'DONE', operation_status: 'SUCCESS', progress: 100 });
  const duration = Date.parse(action.updated_at) - Date.parse(action.created_at);
  expect(action.processing_time).toBe(duration);
  checkResult(type, action.result);
  expect(action.result).toMatchObject({
    done_count: done,
    ...('failed_count' in Object(action.result) && { failed_count: failed }),
  });
}

async function pollToEnd(app: TestApp, id: string): Promise<Answer<ActionWithResult>> {
  const { get } = createClient(app);
  let last: Answer<ActionWithResult> | undefined;
  await waitFor(
    async () => {
      last = await get<ActionWithResult>(`/v1/async-actions/${id}`);
      checkAsyncAction('AsyncActionGetResponseBody', last.body);
      return last.body.status === 'DONE' || last.body.status === 'FAILED';
    },
    { message: `${id} ends`, timeoutMs: 20_000 },
  );
  if (last === undefined) throw new Error('unreachable');
  return last;
}

async function startByMutation(app: TestApp, { mutation, input, csv }: Walk): Promise<string> {
  const query = `mutation ($input: ${mutation.charAt(0).toUpperCase()}${mutation.slice(1)}Input!) {
    start: ${mutation}(input: $input) { task { id } userErrors { field message code } }
  }`;
  const operation = JSON.stringify({
    query,
    variables: { input: { ...Object(camel(input)), ...(csv && { file: null }) } },
  });
  const answer = await post<{ start: { task: { id: string } | null } }>(
    app,
    csv === undefined ? operation : formOf({ operations: operation, map: '{"0":["variables.input.file"]}' }, '0', csv),
    { ...app.project.headers, ...(csv === undefined && { 'content-type': 'application/json' }) },
  );
  const id = answer.data?.start.task?.id;
  if (id === undefined) throw new Error(JSON.stringify(answer).slice(0, 2_000));
  return id;
}

async function startByRest(app: TestApp, { rest, csv }: Walk): Promise<string> {
  const { call, get } = createClient(app);
  const { method = 'POST', path, status, body } = rest;
  const sent = csv === undefined ? body : formOf({}, 'file', csv);
  const answer = await call<{ async_action_id?: string }>(method, path, { body: sent });
  expect([answer.status, answer.text.slice(0, 500)]).toEqual([status, expect.any(String)]);
  if (answer.body.async_action_id !== undefined) return answer.body.async_action_id;
  // A campaign is answered instead: its action is to be found in the list.
  const { body: list } = await get<{ async_actions: { id: string }[] }>('/v1/async-actions?limit=1');
  return list.async_actions[0]?.id ?? 'none';
}

function formOf(fields: Record<string, string>, part: string, csv: string): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  form.set(part, new Blob([csv], { type: 'text/csv' }), 'rows.csv');
  return form;
}

function camel(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(camel);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, part]) => [
    key.replace(/_+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()),
    key === 'metadata' ? part : camel(part),
  ]);
  return Object.fromEntries(entries);
}
