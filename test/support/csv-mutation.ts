import { post } from '../graphql/client.ts';
import { endedAction, type FinishedAction } from './actions.ts';
import type { TestApp } from './gateway.ts';

/** Uploads a CSV file by a mutation, and polls the action over REST until it has ended (20 s). Throws on user errors. */
export async function runCsvMutation(app: TestApp, mutation: string, text: string): Promise<FinishedAction> {
  const query = `mutation ($file: File!) {
    start: ${mutation}(input: { file: $file }) { task { id } userErrors { field message code } }
  }`;
  const form = new FormData();
  form.set('operations', JSON.stringify({ query, variables: { file: null } }));
  form.set('map', '{"0":["variables.file"]}');
  form.set('0', new Blob([text]), 'rows.csv');
  type Started = { start: { task: { id: string } | null } };
  const { data, errors } = await post<Started>(app, form, app.project.headers);
  const id = data?.start.task?.id;
  if (id === undefined) throw new Error(JSON.stringify(errors ?? data));
  return endedAction(app, id);
}
