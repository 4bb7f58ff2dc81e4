import { once } from 'node:events';
import { connect } from 'node:net';
import type { Action, ActionWithResult } from '../../src/rest/async-action/shapes.ts';
import type { TaskStatus } from '../../src/rest/bulk-issuance/shapes.ts';
import { checkAsyncAction, checkIssuance } from '../support/contracts.ts';
import type { TestApp, TestProject } from '../support/gateway.ts';
import { waitFor } from '../support/wait.ts';

export interface Answer<Body> {
  readonly status: number;
  readonly headers: Headers;
  /** Undefined when the answer is not JSON. */
  readonly body: Body;
  readonly text: string;
}

export interface Call {
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON, unless it is a text, bytes or a form. */
  readonly body?: unknown;
}

export type Client = ReturnType<typeof createClient>;

/** Calls the REST doors over real sockets, with a project's key pair unless told otherwise. */
export function createClient(app: TestApp, project: TestProject = app.project) {
  const call = async <Body = Record<string, unknown>>(method: string, path: string, options: Call = {}) => {
    const { body, headers = project.headers } = options;
    const isRaw =
      body === undefined || typeof body === 'string' || body instanceof FormData || body instanceof Uint8Array;
    const response = await fetch(`${app.url}${path}`, {
      method,
      headers: isRaw ? headers : { 'content-type': 'application/json', ...headers },
      ...(body !== undefined && { body: isRaw ? (body as NonNullable<RequestInit['body']>) : JSON.stringify(body) }),
    });
    return readAnswer<Body>(response);
  };
  const bulk = `/v2/giftcards/programs/${project.programId}/cards/bulk`;
  return {
    call,
    bulk,
    get: <Body = Record<string, unknown>>(path: string, options?: Call) => call<Body>('GET', path, options),
    post: <Body = Record<string, unknown>>(path: string, body?: unknown, headers: Record<string, string> = {}) =>
      call<Body>('POST', path, { body, headers: { ...project.headers, ...headers } }),
    /** Starts an issuance of so many cards by a worker, and waits until it has ended. */
    async issue(count: number): Promise<TaskStatus> {
      const started = await call<{ taskId: string }>('POST', bulk, { body: { initialValue: '25.00', count } });
      if (started.status !== 202) throw new Error(`expected 202, got ${started.status} ${started.text}`);
      checkIssuance('BulkIssuanceAsyncResponse', started.body);
      return waitForStatus(() => call<TaskStatus>('GET', `${bulk}/${started.body.taskId}`));
    },
    /** Waits until the action has ended. */
    async ended(id: string): Promise<ActionWithResult> {
      const isOver = async () => {
        const { body } = await call<ActionWithResult>('GET', `/v1/async-actions/${id}`);
        checkAsyncAction('AsyncActionGetResponseBody', body);
        return isFinal(body) ? body : undefined;
      };
      return present(await waitFor(isOver, { message: `${id} ends`, timeoutMs: 20_000 }));
    },
  };
}

async function waitForStatus(poll: () => Promise<Answer<TaskStatus>>): Promise<TaskStatus> {
  const isOver = async () => {
    const { body } = await poll();
    checkIssuance('BulkIssuanceTaskStatus', body);
    return body.status === 'completed' || body.status === 'failed' ? body : undefined;
  };
  return present(await waitFor(isOver, { message: 'the issuance ends', timeoutMs: 20_000 }));
}

function isFinal(action: Action): boolean {
  return action.status === 'DONE' || action.status === 'FAILED';
}

export async function readAnswer<Body>(response: Response): Promise<Answer<Body>> {
  const text = await response.text();
  const isJson = /^application\/(\w+\+)?json/.test(response.headers.get('content-type') ?? '');
  const body = isJson && text !== '' ? JSON.parse(text) : undefined;
  return { status: response.status, headers: response.headers, body, text };
}

/** Sends bytes as they are and returns all that comes back until the connection closes, for at most 10 s. */
export async function sendRaw(url: string, text: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const received: Buffer[] = [];
  socket.on('data', (bytes) => received.push(bytes)).on('error', () => undefined);
  socket.write(text);
  try {
    await once(socket, 'close', { signal: AbortSignal.timeout(10_000) });
  } finally {
    socket.destroy();
  }
  return Buffer.concat(received).toString();
}

export function present<T>(value: T | undefined | null): T {
  if (value === undefined || value === null) throw new Error('expected a value');
  return value;
}
