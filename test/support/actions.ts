import { checkResult } from './contracts.ts';
import type { TestApp } from './gateway.ts';
import { waitFor } from './wait.ts';

export interface FinishedAction {
  readonly id: string;
  readonly type: string;
  readonly status: string;
  readonly operation_status: string;
  readonly result: {
    readonly message: string;
    readonly done_count: number;
    readonly failed_count: number;
    /** Imports only. */
    readonly failed: readonly Record<string, unknown>[];
    /** Bulk updates only. */
    readonly errors: readonly Record<string, unknown>[];
    readonly reports: readonly string[];
  };
}

/** Starts an async action over REST and polls it until it has ended (20 s); its result is checked against the contract by its
 *  type. A text body goes as a CSV file; without a body JSON is announced and nothing sent. */
export async function runAction(app: TestApp, path: string, body?: unknown): Promise<FinishedAction> {
  const response = await fetch(`${app.url}${path}`, {
    method: 'POST',
    ...(typeof body === 'string'
      ? { headers: app.project.headers, body: csvForm(body) }
      : { headers: { ...app.project.headers, 'content-type': 'application/json' }, body: JSON.stringify(body) ?? '' }),
  });
  const started = (await response.json()) as { async_action_id?: string };
  if (started.async_action_id === undefined) throw new Error(`${response.status} ${JSON.stringify(started)}`);
  return endedAction(app, started.async_action_id);
}

/** Polls an async action until it has ended (20 s), and checks its result. */
export async function endedAction(app: TestApp, id: string): Promise<FinishedAction> {
  const url = `${app.url}/v1/async-actions/${id}`;
  const poll = async () => {
    const answer = (await (await fetch(url, { headers: app.project.headers })).json()) as FinishedAction;
    return answer.status === 'DONE' || answer.status === 'FAILED' ? answer : undefined;
  };
  const finished = await waitFor(poll, { timeoutMs: 20_000, message: `${url} ends` });
  if (finished === undefined) throw new Error('unreachable');
  checkResult(finished.type, finished.result);
  return finished;
}

/** The rows of a bulk update's report, as the signed link gives them: its header line, which is checked, aside. */
export async function readReport(action: FinishedAction): Promise<string[]> {
  const texts = await Promise.all(action.result.reports.map(async (url) => (await fetch(url)).text()));
  return texts.flatMap((text) => {
    const [header = '', ...rows] = text.trimEnd().split(/\r?\n/);
    if (!/^(code|source_id),found,updated$/.test(header)) throw new Error(`a report with the header ${header}`);
    return rows;
  });
}

/** What a GET answers, whatever its status. */
export async function readBack<Body = Record<string, unknown>>(app: TestApp, path: string): Promise<Body> {
  return (await fetch(`${app.url}${path}`, { headers: app.project.headers })).json() as Promise<Body>;
}

/** The project's voucher, or what the answer said instead. */
export async function readVoucher(app: TestApp, code: string): Promise<Record<string, unknown>> {
  const url = `${app.url}/v1/vouchers/${encodeURIComponent(code)}`;
  return (await fetch(url, { headers: app.project.headers })).json() as Promise<Record<string, unknown>>;
}

/** The project's customer of this id or source id, or what the answer said instead. */
export async function readCustomer(app: TestApp, customerId: string): Promise<Record<string, unknown>> {
  return readBack(app, `/v1/customers/${encodeURIComponent(customerId)}`);
}

export function csvForm(text: string): FormData {
  const form = new FormData();
  form.set('file', new Blob([text], { type: 'text/csv' }), 'vouchers.csv');
  return form;
}
