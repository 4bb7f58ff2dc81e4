import { ask, type Headers } from '../graphql/client.ts';
import type { TestApp } from '../support/gateway.ts';
import { waitFor } from '../support/wait.ts';

export interface ShownEndpoint {
  readonly id: string;
  readonly url: string;
  readonly events: readonly string[];
  readonly description: string | null;
  readonly failures: number;
  readonly pausedUntil: string | null;
  readonly previousSecretUntil: string | null;
  readonly disabledReason: string | null;
}

export interface ShownDelivery {
  readonly id: string;
  readonly type: string;
  readonly taskId: string | null;
  readonly version: number | null;
  readonly body: string;
  readonly state: string;
  readonly nextAttemptAt: string | null;
  readonly attempts: readonly {
    readonly number: number;
    readonly status: number | null;
    readonly durationMs: number;
    readonly answer: string | null;
    readonly error: string | null;
  }[];
}

export interface UserError {
  readonly field: readonly string[] | null;
  readonly code: string;
}

interface Changed {
  readonly endpoint: ShownEndpoint | null;
  readonly secret?: string | null;
  readonly delivery?: ShownDelivery | null;
  readonly userErrors: readonly UserError[];
}

const endpoint = 'id url events description failures pausedUntil previousSecretUntil disabledReason';
const delivery = 'id type taskId version body state nextAttemptAt attempts { number status durationMs answer error }';
const shown = {
  endpoint: `endpoint { ${endpoint} }`,
  secret: `endpoint { ${endpoint} } secret`,
  delivery: `delivery { ${delivery} }`,
};

const mutations = {
  createWebhookEndpoint: { arg: 'input', type: 'CreateWebhookEndpointInput!', shows: shown.secret },
  rotateWebhookSecret: { arg: 'input', type: 'RotateWebhookSecretInput!', shows: shown.secret },
  updateWebhookEndpoint: { arg: 'input', type: 'UpdateWebhookEndpointInput!', shows: shown.endpoint },
  deleteWebhookEndpoint: { arg: 'id', type: 'ID!', shows: shown.endpoint },
  replayWebhookDelivery: { arg: 'id', type: 'ID!', shows: shown.delivery },
  testWebhookEndpoint: { arg: 'id', type: 'ID!', shows: shown.delivery },
} as const;

/** Runs one of the mutations of webhooks, and answers as it does. */
export function change(app: TestApp, name: keyof typeof mutations, value: unknown, headers?: Headers) {
  const { arg, type, shows } = mutations[name];
  const query = `mutation ($value: ${type}) { done: ${name}(${arg}: $value) { ${shows} userErrors { field code } } }`;
  return ask<{ done: Changed }>(app, query, { value }, headers);
}

export const finalEvents = ['BULK_TASK_SUCCEEDED', 'BULK_TASK_FAILED', 'BULK_TASK_CANCELED'];
export const allEvents = [
  'BULK_TASK_QUEUED',
  'BULK_TASK_RUNNING',
  'BULK_TASK_PAUSED',
  'BULK_TASK_CANCELING',
  ...finalEvents,
];

/** Creates an endpoint, of the app's project unless another's headers are given. */
export async function createEndpoint(app: TestApp, url: string, events = finalEvents, headers?: Headers) {
  const { data, errors } = await change(app, 'createWebhookEndpoint', { url, events }, headers);
  const { endpoint: created, secret } = data?.done ?? {};
  if (!created || !secret) throw new Error(JSON.stringify(errors ?? data));
  return { id: created.id, secret };
}

/** An endpoint with its deliveries, newest first; null when it is not to be found. */
export async function readEndpoint(app: TestApp, id: string, headers?: Headers) {
  const query = `query ($id: ID!) { webhookEndpoint(id: $id) { ${endpoint} deliveries { nodes { ${delivery} } } } }`;
  const { data } = await ask<{
    webhookEndpoint: (ShownEndpoint & { deliveries: { nodes: readonly ShownDelivery[] } }) | null;
  }>(app, query, { id }, headers);
  return data.webhookEndpoint;
}

/** The newest delivery of an endpoint, once it fits (15 s). */
export async function deliveryOf(
  app: TestApp,
  endpointId: string,
  fits: (delivery: ShownDelivery) => boolean,
): Promise<ShownDelivery> {
  let last: ShownDelivery | undefined;
  const find = async () => {
    last = (await readEndpoint(app, endpointId))?.deliveries.nodes[0];
    return last !== undefined && fits(last) ? last : undefined;
  };
  const found = await waitFor(find, { timeoutMs: 15_000, message: () => `a delivery fits: ${JSON.stringify(last)}` });
  if (found === undefined) throw new Error('unreachable');
  return found;
}
