import { ask } from '../graphql/client.ts';
import { endedAction, type FinishedAction } from './actions.ts';
import type { TestApp } from './gateway.ts';

/** Starts an async action by its mutation, and polls it over REST until it has ended (20 s). Throws on user errors. */
export async function runMutation(app: TestApp, mutation: string, input: object): Promise<FinishedAction> {
  const inputType = `${mutation.charAt(0).toUpperCase()}${mutation.slice(1)}Input`;
  const query = `mutation ($input: ${inputType}!) {
    start: ${mutation}(input: $input) { task { id } userErrors { field message code } }
  }`;
  const { data, errors } = await ask<{ start: { task: { id: string } | null } }>(app, query, { input });
  const id = data?.start.task?.id;
  if (id === undefined) throw new Error(JSON.stringify(errors ?? data));
  return endedAction(app, id);
}

type Definitions = Readonly<Record<string, { readonly type: string } & Readonly<Record<string, unknown>>>>;

const define = `mutation ($input: DefineMetadataSchemaInput!) {
  defineMetadataSchema(input: $input) { schema { id } userErrors { field message code } }
}`;

/** Defines what metadata of a resource must hold; definitions by key as on the wire, such as `{ unit: { type: 'number' } }`. */
export async function defineMetadata(
  app: TestApp,
  resource: string,
  definitions: Definitions,
  allowDefinedOnly = false,
): Promise<void> {
  const list = Object.entries(definitions).map(([key, rules]) => ({ key, ...rules, type: rules.type.toUpperCase() }));
  const input = { resource, definitions: list, allowDefinedOnly };
  const { data, errors } = await ask<{ defineMetadataSchema: { schema: object | null } }>(app, define, { input });
  if (!data?.defineMetadataSchema.schema) throw new Error(JSON.stringify(errors ?? data));
}
