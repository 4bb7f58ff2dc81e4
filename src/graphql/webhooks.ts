import {
  type Attempt,
  type Delivery,
  type DeliveryState,
  listAttempts,
  listDeliveries,
} from '../webhooks/deliveries.ts';
import { type Endpoint, findEndpoint, listEndpoints, maxEndpoints } from '../webhooks/endpoints.ts';
import { type Builder, costs, type EnumType, type ObjectType } from './builder.ts';
import { type Context, requireCaller } from './context.ts';
import {
  type Connection,
  defineConnection,
  nodesOf,
  type PageArguments,
  type PageInfoType,
  pageOptions,
  readPage,
} from './pages.ts';

const deliveriesPage = 20;

export interface WebhookTypes {
  readonly endpoint: ObjectType<Endpoint>;
  readonly delivery: ObjectType<Delivery>;
}

/** What a project can read of its webhooks. */
export function addWebhooks(builder: Builder, eventType: EnumType<string>, pageInfo: PageInfoType): WebhookTypes {
  const state = defineState(builder);
  const delivery = defineDelivery(builder, state);
  const endpoint = defineEndpoint(builder, eventType);
  addDeliveries(builder, { endpoint, delivery }, { state, pageInfo });
  builder.queryFields((t) => ({
    webhookEndpoints: t.field({
      type: [endpoint],
      description: `Where the project is told of its tasks, oldest first; at most ${maxEndpoints}.`,
      ...costs({ own: 20, defaultPage: maxEndpoints }),
      resolve: (_root, _args, context) => listEndpoints(context.deps.db, requireCaller(context).projectId),
    }),
    webhookEndpoint: t.field({
      type: endpoint,
      nullable: true,
      description: 'One endpoint; null when there is none of that id.',
      args: { id: t.arg.id({ required: true, description: 'Its id.' }) },
      ...costs({ own: 20 }),
      resolve: async (_root, { id }, context) =>
        (await findEndpoint(context.deps.db, requireCaller(context).projectId, id)) ?? null,
    }),
  }));
  return { endpoint, delivery };
}

function defineEndpoint(builder: Builder, eventType: EnumType<string>): ObjectType<Endpoint> {
  const reason = defineReason(builder);
  return builder.objectRef<Endpoint>('WebhookEndpoint').implement({
    description: 'Where a project is told of its tasks. Its secret is shown only when it is made.',
    fields: (t) => ({
      id: t.exposeID('id', { description: 'A UUID.' }),
      url: t.exposeString('url', { description: 'Where messages are posted.' }),
      events: t.expose('events', { type: [eventType], description: 'Which events it is told.' }),
      description: t.exposeString('description', { nullable: true, description: 'What people say of it.' }),
      createdAt: t.expose('created_at', { type: 'DateTime', description: 'When it was made.' }),
      updatedAt: t.expose('updated_at', { type: 'DateTime', description: 'When its owner last changed it.' }),
      previousSecretUntil: t.expose('previous_secret_until', {
        type: 'DateTime',
        nullable: true,
        description: 'Until when the secret before the last rotation signs too.',
      }),
      failures: t.exposeInt('failures', { description: 'Attempts that failed since the last that succeeded.' }),
      failingSince: t.expose('failing_since', {
        type: 'DateTime',
        nullable: true,
        description: 'When the first of them failed; null when none has.',
      }),
      pausedUntil: t.expose('paused_until', {
        type: 'DateTime',
        nullable: true,
        description: 'It is slowed down: nothing is sent before, but what is replayed.',
      }),
      disabledAt: t.expose('disabled_at', {
        type: 'DateTime',
        nullable: true,
        description: 'Since when it is told nothing; null while it is told.',
      }),
      disabledReason: t.expose('disabled_reason', { type: reason, nullable: true, description: 'Why.' }),
    }),
  });
}

function defineReason(builder: Builder): EnumType<NonNullable<Endpoint['disabled_reason']>> {
  return builder.enumType('WebhookDisabledReason', {
    description: 'Why an endpoint is told nothing.',
    values: {
      REQUESTED: { value: 'REQUESTED', description: 'Its owner said so.' },
      GONE: { value: 'GONE', description: 'It answered 410.' },
      FAILING: { value: 'FAILING', description: 'It failed for three days, at least ten times, without a success.' },
    } as const,
  });
}

function defineState(builder: Builder): EnumType<DeliveryState> {
  return builder.enumType('WebhookDeliveryState', {
    description: 'What has become of a message.',
    values: {
      PENDING: { value: 'PENDING', description: 'It will be tried, or tried again.' },
      SUCCEEDED: { value: 'SUCCEEDED', description: 'It was answered with a status of 200 to 299.' },
      FAILED: { value: 'FAILED', description: 'It was given up; it can be replayed.' },
    } as const,
  });
}

function defineDelivery(builder: Builder, state: EnumType<DeliveryState>): ObjectType<Delivery> {
  const attempt = defineAttempt(builder);
  return builder.objectRef<Delivery>('WebhookDelivery').implement({
    description: 'A message to one endpoint.',
    fields: (t) => ({
      id: t.exposeID('id', { description: 'The same as the header `webhook-id`, of all its attempts.' }),
      type: t.exposeString('type', { description: 'What it tells, such as `bulk_task.succeeded`.' }),
      taskId: t.exposeID('task_id', { nullable: true, description: 'The task; null of a test.' }),
      version: t.exposeInt('version', { nullable: true, description: 'The version of the task; null of a test.' }),
      body: t.exposeString('body', { description: 'What is sent, to the letter.' }),
      state: t.expose('state', { type: state, description: 'What has become of it.' }),
      createdAt: t.expose('created_at', { type: 'DateTime', description: 'When the task changed.' }),
      nextAttemptAt: t.expose('next_attempt_at', {
        type: 'DateTime',
        nullable: true,
        description: 'When it is tried next; null unless it is PENDING.',
      }),
      completedAt: t.expose('completed_at', {
        type: 'DateTime',
        nullable: true,
        description: 'When it was taken or given up.',
      }),
      attempts: t.field({
        type: [attempt],
        description: 'How it went each time, oldest first; the last 50.',
        ...costs({ own: 20 }),
        resolve: (sent, _args, { deps }) => listAttempts(deps.db, sent),
      }),
    }),
  });
}

function defineAttempt(builder: Builder): ObjectType<Attempt> {
  return builder.objectRef<Attempt>('WebhookAttempt').implement({
    description: 'One time that a message was sent.',
    fields: (t) => ({
      number: t.exposeInt('number', { description: 'From 1.' }),
      at: t.expose('at', { type: 'DateTime', description: 'When it was over.' }),
      status: t.exposeInt('status', { nullable: true, description: 'What was answered; null when nothing was.' }),
      durationMs: t.exposeInt('durationMs', { description: 'How long it took, in milliseconds.' }),
      answer: t.exposeString('answer', { nullable: true, description: 'The first 1,000 bytes of the answer.' }),
      error: t.exposeString('error', {
        nullable: true,
        description:
          'Why it failed: `ADDRESS_REFUSED`, `NAME_UNKNOWN`, `UNREACHABLE`, `TLS`, `TIMEOUT`, `REDIRECT`, `GONE`, `STATUS` or ' +
          '`SECRET_UNREADABLE` (BULKCAST_SECRET has changed: rotate the secret). Null when it succeeded.',
      }),
    }),
  });
}

function addDeliveries(
  builder: Builder,
  { endpoint, delivery }: WebhookTypes,
  { state, pageInfo }: { readonly state: EnumType<DeliveryState>; readonly pageInfo: PageInfoType },
): void {
  const connection = defineConnection<Delivery>(builder, {
    name: 'WebhookDelivery',
    listOf: 'deliveries, newest first',
    pageInfo,
    node: (t) => t.field({ type: delivery, description: 'The delivery.', resolve: (edge) => edge.node }),
    nodes: (t) =>
      t.field({ type: [delivery], description: 'The deliveries, without their cursors.', resolve: nodesOf }),
  });
  const options = pageOptions(builder, deliveriesPage);
  builder.objectFields(endpoint, (t) => ({
    deliveries: t.field({
      type: connection,
      description: 'What it was told, newest first.',
      ...options,
      args: { state: t.arg({ type: state, description: 'Only these; without it, all.' }), ...options.args },
      resolve: ({ id }, { state, ...page }, { deps }) => readDeliveries(deps, id, state ?? undefined, page),
    }),
  }));
}

function readDeliveries(
  { db }: Context['deps'],
  endpointId: string,
  state: DeliveryState | undefined,
  page: PageArguments,
): Promise<Connection<Delivery>> {
  return readPage(page, {
    defaultPage: deliveriesPage,
    pattern: /^delivery:(\d{1,15}):([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/,
    cursorOf: ({ created_at, id }) => `delivery:${created_at.getTime()}:${id}`,
    read: (limit, position) => {
      const [createdAt, id] = position ?? [];
      const after = createdAt && id ? { createdAt: new Date(Number(createdAt)), id } : undefined;
      return listDeliveries(db, endpointId, { state, after, limit });
    },
  });
}
