import type { ActionWithResult } from '../../src/rest/async-action/shapes.ts';
import { ask } from '../graphql/client.ts';
import { createClient } from '../rest/client.ts';
import { checkResult } from '../support/contracts.ts';
import type { TestApp } from '../support/gateway.ts';

export interface Result {
  readonly done_count: number;
  readonly failed_count: number;
  readonly message: string;
  readonly failed: readonly { readonly source_id: string; readonly row: number; readonly reason: string }[];
  readonly errors: readonly { readonly source_id: string; readonly key: string; readonly details: string }[];
  readonly reports: readonly string[];
}

interface Payload {
  readonly task: { readonly id: string } | null;
  readonly userErrors: readonly { readonly message: string }[];
}

export type CustomerActions = ReturnType<typeof createCustomerActions>;

/** Starts the actions on customers through either door, and reads customers back; results are checked by their type. */
export function createCustomerActions(app: TestApp) {
  const client = createClient(app);
  const ended = async (id: string) => {
    const action = await client.ended(id);
    checkResult(action.type, action.result);
    const result: Result = action.result as never;
    return { ...action, result };
  };
  return {
    client,
    ended,
    /** A text body goes as a CSV file. */
    async start(path: string, body?: unknown) {
      const sent = typeof body === 'string' ? csvForm(body) : body;
      const { status, text, body: answer } = await client.post<{ async_action_id: string }>(path, sent);
      if (status !== 202) throw new Error(`${status} ${text}`);
      return ended(answer.async_action_id);
    },
    async mutate(name: string, input: object) {
      const type = `${name.charAt(0).toUpperCase()}${name.slice(1)}Input`;
      const query = `mutation ($input: ${type}!) { started: ${name}(input: $input) { task { id } userErrors { message } } }`;
      const { data, errors } = await ask<{ started: Payload }>(app, query, { input });
      if (!data?.started.task) throw new Error(JSON.stringify(errors ?? data.started.userErrors));
      return ended(data.started.task.id);
    },
    async read(customerId: string): Promise<Record<string, unknown>> {
      return (await client.get(`/v1/customers/${encodeURIComponent(customerId)}`)).body;
    },
    /** The lines of the report, its header first. */
    async report({ result }: ActionWithResult & { readonly result: Result }): Promise<string[]> {
      const [url = ''] = result.reports;
      return (await (await fetch(url)).text()).trimEnd().split(/\r?\n/);
    },
    /** Defines the project's schema for customers. */
    async define(definitions: object): Promise<void> {
      const values = { id: 'ms_customers', project_id: app.project.id, resource: 'customer' as const };
      await app.app.db
        .insertInto('metadata_schemas')
        .values({ ...values, definitions: JSON.stringify(definitions) })
        .onConflict((conflict) =>
          conflict.columns(['project_id', 'resource']).doUpdateSet({ definitions: JSON.stringify(definitions) }),
        )
        .execute();
    },
  };
}

export function csvForm(text: string): FormData {
  const form = new FormData();
  form.set('file', new Blob([text], { type: 'text/csv' }), 'customers.csv');
  return form;
}
