import { setTimeout as delay } from 'node:timers/promises';
import { createClient } from 'graphql-ws';
import type { ProjectCredentials } from '../../src/auth/projects.ts';
import { isFinal, type TaskState } from '../../src/tasks/state.ts';
import { fieldPart, filePart, formEnd, multipartType } from '../support/multipart.ts';

/** Who calls the gateways while they are hurt: each call goes to one of them by chance, and is repeated until it is answered. */
export interface Client {
  issue(count: number): Promise<string>;
  /** Uploads a voucher file; a row that is not `isGood` is refused. */
  importCsv(prefix: string, rows: readonly boolean[], isDryRun: boolean): Promise<string>;
  /** Asks once for a change of a task, or one that follows from it; what is refused changes nothing. */
  steer(mutation: Steering, id: string): Promise<Steered>;
  /** Follows a task over as many connections as it takes, until its end. Throws when what is pushed is not as promised. */
  follow(id: string, signal: AbortSignal): Promise<Followed>;
}

export type Steering =
  | 'cancelBulkTask'
  | 'pauseBulkTask'
  | 'resumeBulkTask'
  | 'retryBulkTaskFailures'
  | 'undoBulkTask'
  | 'runDryRun';

export interface Steered {
  /** The task that was changed or started, unless this was refused or not answered. */
  readonly id: string | undefined;
  readonly answer: string;
}

export interface Followed {
  readonly updates: number;
  readonly connections: number;
  readonly state: TaskState;
}

interface ClientOptions {
  readonly credentials: ProjectCredentials;
  /** Another gateway each time. */
  readonly gateway: () => string;
  readonly say: (line: string) => void;
}

const callMs = 40_000;
const againMs = 300;
/** An outage is told more quickly. */
const slowMs = 2_000;
/** Answers after which a client of ours tries again; others are the end of a campaign. */
const passing = ['UNAVAILABLE', 'IDEMPOTENCY_KEY_IN_USE', 'TOO_MANY_UPLOADS', 'UPLOAD_BROKEN_OFF'];

export function createChaosClient(options: ClientOptions): Client {
  const { programId } = options.credentials;
  let keys = 0;
  const newKey = () => {
    keys += 1;
    return `chaos-${keys}`;
  };
  return {
    issue: (count) => {
      const variables = { programId, count, key: newKey() };
      return untilStarted(options, JSON.stringify({ query: issue, variables }));
    },
    importCsv: (prefix, rows, isDryRun) => {
      const lines = rows.map((isGood, index) => `${prefix}${index},GIFT_VOUCHER,${isGood ? 10 : 'nothing'}\n`);
      const csv = `Code,Voucher Type,Value\n${lines.join('')}`;
      const variables = { file: null, isDryRun, key: newKey() };
      const operations = JSON.stringify({ query: importCsv, variables });
      const parts = [
        fieldPart('operations', operations),
        fieldPart('map', '{"0":["variables.file"]}'),
        filePart('0'),
        csv,
        formEnd,
      ];
      return untilStarted(options, parts.join(''), multipartType);
    },
    steer: async (mutation, id) => {
      const query = `mutation ($id: ID!) { started: ${mutation}(id: $id) { task { ... on TaskProgress { id state } } userErrors { code } } }`;
      const answer = await call(options, JSON.stringify({ query, variables: { id } })).catch(String);
      const { data, errors } = typeof answer === 'string' ? { errors: answer } : answer;
      return { id: data?.started.task?.id, answer: JSON.stringify(data?.started ?? errors) };
    },
    follow: (id, signal) => follow(options, id, signal),
  };
}

const issue = `mutation ($programId: ID!, $count: Int!, $key: String) {
  started: issueGiftCards(input: { programId: $programId, initialValue: "5.00", count: $count }, idempotencyKey: $key) {
    task { id } userErrors { code message } } }`;
const importCsv = `mutation ($file: File!, $isDryRun: Boolean!, $key: String) {
  started: importVouchersCsv(input: { file: $file }, dryRun: $isDryRun, idempotencyKey: $key) { task { id } userErrors { code message } } }`;

interface Answer {
  readonly data?: {
    readonly started: { readonly task: { id: string } | null; readonly userErrors: readonly { code: string }[] };
  } | null;
  readonly errors?: readonly { readonly extensions: { readonly code: string } }[];
}

async function call({ credentials, gateway }: ClientOptions, body: string, type = 'application/json'): Promise<Answer> {
  const response = await fetch(`${gateway()}/graphql`, {
    method: 'POST',
    headers: { ...headersOf(credentials), 'content-type': type },
    body,
    signal: AbortSignal.timeout(callMs),
  });
  return (await response.json()) as Answer;
}

/** The same request under the same key until there is an answer, whichever gateway gives it. */
async function untilStarted(options: ClientOptions, body: string, type?: string): Promise<string> {
  for (;;) {
    const startedMs = performance.now();
    // Whatever happens to a connection, the client cannot know what became of its request.
    const answer = await call(options, body, type).catch(String);
    if (typeof answer !== 'string') {
      const { task, userErrors = [] } = answer.data?.started ?? {};
      if (task != null) return task.id;
      const codes = [...userErrors, ...(answer.errors ?? []).map(({ extensions }) => extensions)].map(
        ({ code }) => code,
      );
      if (!codes.every((code) => passing.includes(code)))
        throw new Violation(`a start was refused: ${JSON.stringify(answer)}`);
    }
    const ms = Math.round(performance.now() - startedMs);
    if (ms > slowMs) options.say(`a start was not answered with a task in ${ms} ms: ${JSON.stringify(answer)}`);
    await delay(againMs);
  }
}

interface Update {
  readonly state: TaskState;
  readonly version: number;
  readonly counts: { readonly processed: number; readonly succeeded: number; readonly failed: number };
}

const watch = `subscription ($id: ID!, $after: Int) {
  bulkTask(id: $id, afterVersion: $after) { ... on TaskProgress { state version counts { processed succeeded failed } } } }`;

async function follow(options: ClientOptions, id: string, signal: AbortSignal): Promise<Followed> {
  let latest: Update | undefined;
  let updates = 0;
  for (let connections = 1; !signal.aborted; connections += 1) {
    const url = `${options.gateway().replace('http', 'ws')}/graphql`;
    const client = createClient({ url, connectionParams: headersOf(options.credentials), retryAttempts: 0 });
    const end = () => void client.dispose();
    signal.addEventListener('abort', end, { once: true });
    try {
      const variables = { id, after: latest?.version };
      for await (const { data, errors } of client.iterate<{ bulkTask: Update }>({ query: watch, variables })) {
        if (errors !== undefined || data == null) break;
        checkNext(id, latest, data.bulkTask);
        latest = data.bulkTask;
        updates += 1;
      }
    } catch (error) {
      if (error instanceof Violation) throw error;
    } finally {
      signal.removeEventListener('abort', end);
      await client.dispose();
    }
    if (latest !== undefined && isFinal(latest.state)) return { updates, connections, state: latest.state };
    await delay(againMs);
  }
  throw new Violation(`the subscriber of task ${id} never saw its end; last ${JSON.stringify(latest)}`);
}

/** What a subscriber may never see. */
export class Violation extends Error {
  override readonly name = 'Violation';
}

function checkNext(id: string, before: Update | undefined, next: Update): void {
  const told = `task ${id}: ${JSON.stringify(before)} and then ${JSON.stringify(next)}`;
  if (next.counts.processed !== next.counts.succeeded + next.counts.failed)
    throw new Violation(`counters do not fit: ${told}`);
  if (before === undefined) return;
  if (isFinal(before.state)) throw new Violation(`something came after the end: ${told}`);
  if (next.version <= before.version) throw new Violation(`a version did not grow: ${told}`);
  if (next.counts.processed < before.counts.processed) throw new Violation(`a counter fell: ${told}`);
}

function headersOf({ appId, appToken }: ProjectCredentials) {
  return { 'X-App-Id': appId, 'X-App-Token': appToken };
}
