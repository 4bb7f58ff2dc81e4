import { type Answer, ask, post } from '../graphql/client.ts';
import type { TestApp } from './gateway.ts';
import { waitFor } from './wait.ts';

export interface ToldTask {
  readonly id: string;
  readonly kind: string;
  readonly dryRun: boolean;
  readonly state: string;
  readonly changeReason: string | null;
  readonly counts: {
    readonly total: number;
    readonly processed: number;
    readonly succeeded: number;
    readonly failed: number;
  };
  readonly outcomeCounts: Readonly<Record<'created' | 'updated' | 'skipped' | 'failed', number>> | null;
  readonly parent: { readonly id: string } | null;
  readonly children: readonly { readonly id: string; readonly kind: string }[];
  readonly result?: { readonly message: string } | null;
}
export interface Told {
  readonly row: number;
  readonly key: string | null;
  readonly outcome: string;
  readonly code: string | null;
}
export interface ToldFailure {
  readonly row: number;
  readonly key: string | null;
  readonly code: string;
  readonly message: string;
}
export interface Answered {
  readonly task: ToldTask | null;
  readonly userErrors: readonly { readonly field: readonly string[]; readonly code: string }[];
}

const told = `... on TaskProgress { id kind dryRun state changeReason counts { total processed succeeded failed }
  outcomeCounts { created updated skipped failed } parent { id } children { id kind } } ... on AsyncAction { result { ... on ImportResult { message } } }`;

/** Starts an import; a text goes as a file, a list under `field`. */
export async function startImport(
  app: TestApp,
  mutation: string,
  given: string | readonly object[],
  options: { readonly dryRun?: boolean; readonly field?: string; readonly more?: object } = {},
): Promise<Answered> {
  const { dryRun = true, field = 'file', more = {} } = options;
  const type = `${mutation.charAt(0).toUpperCase()}${mutation.slice(1)}Input!`;
  const query = `mutation ($input: ${type}, $dryRun: Boolean) {
    started: ${mutation}(input: $input, dryRun: $dryRun) { task { ${told} } userErrors { field code } } }`;
  const variables = { input: { ...more, [field]: typeof given === 'string' ? null : given }, dryRun };
  const form = new FormData();
  form.set('operations', JSON.stringify({ query, variables }));
  form.set('map', typeof given === 'string' ? `{"0":["variables.input.${field}"]}` : '{}');
  if (typeof given === 'string') form.set('0', new Blob([given]), 'rows.csv');
  type Data = { started: Answered };
  const { data, errors } =
    typeof given === 'string'
      ? await post<Data>(app, form, app.project.headers)
      : await ask<Data>(app, query, variables);
  if (errors !== undefined) throw new Error(JSON.stringify(errors));
  return data.started;
}

/** The task once it has ended (60 s). */
export async function endedTask(app: TestApp, id: string): Promise<ToldTask> {
  const query = `query ($id: ID!) { bulkTask(id: $id) { ${told} } }`;
  const read = async () => {
    const { data, errors } = await ask<{ bulkTask: ToldTask }>(app, query, { id });
    if (errors !== undefined) throw new Error(JSON.stringify(errors));
    return ['SUCCEEDED', 'FAILED', 'CANCELED'].includes(data.bulkTask.state) ? data.bulkTask : undefined;
  };
  const task = await waitFor(read, { timeoutMs: 60_000, message: `${id} ends` });
  if (task === undefined) throw new Error('unreachable');
  return task;
}

/** Starts an import, waits for its end and returns it. */
export async function runImport(...given: Parameters<typeof startImport>): Promise<ToldTask> {
  const { task, userErrors } = await startImport(...given);
  if (task === null) throw new Error(JSON.stringify(userErrors));
  return endedTask(given[0], task.id);
}

/** Asks for a task that follows from another. */
export async function followUp(
  app: TestApp,
  mutation: 'runDryRun' | 'undoBulkTask',
  id: string,
  options: { readonly reason?: string; readonly headers?: Record<string, string> } = {},
): Promise<Answered> {
  const query = `mutation ($id: ID!, $reason: String) {
    done: ${mutation}(id: $id, reason: $reason) { task { ${told} } userErrors { field code } } }`;
  const { data, errors } = await ask<{ done: Answered }>(app, query, { id, reason: options.reason }, options.headers);
  if (errors !== undefined) throw new Error(JSON.stringify(errors));
  return data.done;
}

/** The same, once it has ended. */
export async function followedUp(...given: Parameters<typeof followUp>): Promise<ToldTask> {
  const { task, userErrors } = await followUp(...given);
  if (task === null) throw new Error(JSON.stringify(userErrors));
  return endedTask(given[0], task.id);
}

/** All entries of a list of a task, page by page. */
async function readList<Node>(app: TestApp, id: string, list: string, fields: string): Promise<Node[]> {
  type Page = { nodes: Node[]; pageInfo: { hasNextPage: boolean; endCursor: string | null } };
  const query = `query ($id: ID!, $after: String) { bulkTask(id: $id) { ... on TaskProgress {
    list: ${list}(first: 1000, after: $after) { nodes { ${fields} } pageInfo { hasNextPage endCursor } } } } }`;
  const all: Node[] = [];
  for (let after: string | null = null; ; ) {
    const answer: Answer<{ bulkTask: { list: Page } }> = await ask(app, query, { id, after });
    if (answer.errors !== undefined) throw new Error(JSON.stringify(answer.errors));
    const { nodes, pageInfo }: Page = answer.data.bulkTask.list;
    all.push(...nodes);
    if (!pageInfo.hasNextPage) return all;
    after = pageInfo.endCursor;
  }
}

export const readOutcomes = (app: TestApp, id: string) => readList<Told>(app, id, 'outcomes', 'row key outcome code');
export const readFailures = (app: TestApp, id: string) =>
  readList<ToldFailure>(app, id, 'failures', 'row key code message');
