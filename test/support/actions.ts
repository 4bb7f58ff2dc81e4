import type { TestApp } from './gateway.ts';
import { waitFor } from './wait.ts';

export interface FinishedAction {
  readonly id: string;
  readonly status: string;
  readonly operation_status: string;
  readonly result: {
    readonly message: string;
    readonly done_count: number;
    readonly failed_count: number;
    readonly failed: readonly Record<string, unknown>[];
  };
}

/** Starts an async action over REST and polls it until it has ended (20 s). A text body goes as a CSV file. */
export async function runAction(app: TestApp, path: string, body: unknown): Promise<FinishedAction> {
  const response = await fetch(`${app.url}${path}`, {
    method: 'POST',
    ...(typeof body === 'string'
      ? { headers: app.project.headers, body: csvForm(body) }
      : { headers: { ...app.project.headers, 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });
  const started = (await response.json()) as { async_action_id?: string };
  if (started.async_action_id === undefined) throw new Error(`${response.status} ${JSON.stringify(started)}`);
  const url = `${app.url}/v1/async-actions/${started.async_action_id}`;
  const poll = async () => {
    const answer = (await (await fetch(url, { headers: app.project.headers })).json()) as FinishedAction;
    return answer.status === 'DONE' || answer.status === 'FAILED' ? answer : undefined;
  };
  const finished = await waitFor(poll, { timeoutMs: 20_000, message: `${url} ends` });
  if (finished === undefined) throw new Error('unreachable');
  return finished;
}

/** The project's voucher, or what the answer said instead. */
export async function readVoucher(app: TestApp, code: string): Promise<Record<string, unknown>> {
  const url = `${app.url}/v1/vouchers/${encodeURIComponent(code)}`;
  return (await fetch(url, { headers: app.project.headers })).json() as Promise<Record<string, unknown>>;
}

export function csvForm(text: string): FormData {
  const form = new FormData();
  form.set('file', new Blob([text], { type: 'text/csv' }), 'vouchers.csv');
  return form;
}
