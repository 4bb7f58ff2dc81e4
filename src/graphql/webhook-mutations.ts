import { deleteEndpoint } from '../webhooks/deletion.ts';
import { replayDelivery, sendTest } from '../webhooks/deliveries.ts';
import {
  createEndpoint,
  createInput,
  type EndpointWithSecret,
  rotateInput,
  rotateSecret,
  updateEndpoint,
  updateInput,
} from '../webhooks/endpoints.ts';
import { type Builder, costs, type ObjectType } from './builder.ts';
import { requireCaller } from './context.ts';
import { type InputTypes, inputType } from './input-types.ts';
import type { PageInfoType } from './pages.ts';
import { definePayload, type Payload, settle } from './payloads.ts';
import { settleArguments } from './steering.ts';
import type { UserError } from './user-errors.ts';
import { addWebhooks, type WebhookTypes } from './webhooks.ts';

interface Parts {
  readonly inputs: InputTypes;
  readonly userError: ObjectType<UserError>;
  readonly pageInfo: PageInfoType;
}

const cost = costs({ own: 100 });

/** All of webhooks: what can be read, and what can be done to them. */
export function addWebhookMutations(builder: Builder, { inputs, userError, pageInfo }: Parts): void {
  const create = inputType(inputs, 'CreateWebhookEndpointInput', createInput, 'Where to be told of what.');
  const eventType = inputs.enums.get('WebhookEventType')?.type;
  if (eventType === undefined) throw new Error('an endpoint has no WebhookEventType');
  const types = addWebhooks(builder, eventType, pageInfo);
  const payload = defineSecretPayload(builder, types, userError);
  builder.mutationField('createWebhookEndpoint', (t) =>
    t.field({
      type: payload,
      description: 'From now on a URL is told of what becomes of tasks, in messages after Standard Webhooks.',
      args: { input: t.arg({ type: create.type, required: true, description: 'Where to, and what.' }) },
      ...cost,
      resolve: (_root, args, context) => {
        const { projectId } = requireCaller(context);
        return settle(createInput, create.toWire(args.input), (valid) =>
          createEndpoint(context.deps.webhooks, projectId, valid),
        );
      },
    }),
  );
  addRotation(builder, inputs, payload);
  addChanges(builder, inputs, types, userError);
  addSending(builder, types, userError);
}

function addRotation(builder: Builder, inputs: InputTypes, payload: ObjectType<Payload<EndpointWithSecret>>): void {
  const rotate = inputType(inputs, 'RotateWebhookSecretInput', rotateInput, 'Whose secret.');
  builder.mutationField('rotateWebhookSecret', (t) =>
    t.field({
      type: payload,
      description: 'Makes a new secret. For a while the one before signs too: messages carry both signatures.',
      args: {
        input: t.arg({ type: rotate.type, required: true, description: 'Whose, and how soon the old one ends.' }),
      },
      ...cost,
      resolve: (_root, args, context) => {
        const { projectId } = requireCaller(context);
        return settle(rotateInput, rotate.toWire(args.input), (valid) =>
          rotateSecret(context.deps.webhooks, projectId, valid),
        );
      },
    }),
  );
}

function defineSecretPayload(
  builder: Builder,
  { endpoint }: WebhookTypes,
  userError: ObjectType<UserError>,
): ObjectType<Payload<EndpointWithSecret>> {
  return builder.objectRef<Payload<EndpointWithSecret>>('WebhookSecretPayload').implement({
    description: 'The endpoint and its secret, or why there is none.',
    fields: (t) => ({
      endpoint: t.field({
        type: endpoint,
        nullable: true,
        description: 'The endpoint; null when there are errors.',
        resolve: ({ value }) => value?.endpoint ?? null,
      }),
      secret: t.string({
        nullable: true,
        description: 'What its messages are signed with: `whsec_…`. It is shown this once; null when there are errors.',
        resolve: ({ value }) => value?.secret ?? null,
      }),
      userErrors: t.expose('userErrors', {
        type: [userError],
        description: 'What to change; empty when all went well.',
      }),
    }),
  });
}

function addChanges(
  builder: Builder,
  inputs: InputTypes,
  { endpoint }: WebhookTypes,
  userError: ObjectType<UserError>,
): void {
  const payload = definePayload(builder, 'WebhookEndpointPayload', 'endpoint', endpoint, userError);
  const update = inputType(inputs, 'UpdateWebhookEndpointInput', updateInput, 'What of an endpoint is to change.');
  builder.mutationField('updateWebhookEndpoint', (t) =>
    t.field({
      type: payload,
      description: 'Changes what is given of an endpoint; disables it, or enables it again.',
      args: { input: t.arg({ type: update.type, required: true, description: 'Which, and what.' }) },
      ...cost,
      resolve: (_root, args, context) => {
        const { projectId } = requireCaller(context);
        return settle(updateInput, update.toWire(args.input), (valid) =>
          updateEndpoint(context.deps.webhooks, projectId, valid),
        );
      },
    }),
  );
  builder.mutationField('deleteWebhookEndpoint', (t) =>
    t.field({
      type: payload,
      description: 'Deletes an endpoint with its deliveries, and answers it as it was.',
      args: { id: t.arg.id({ required: true, description: 'The endpoint.' }) },
      ...cost,
      resolve: (_root, { id }, context) => {
        const { projectId } = requireCaller(context);
        return settleArguments(() => deleteEndpoint(context.deps.db, projectId, id));
      },
    }),
  );
}

function addSending(builder: Builder, { delivery }: WebhookTypes, userError: ObjectType<UserError>): void {
  const payload = definePayload(builder, 'WebhookDeliveryPayload', 'delivery', delivery, userError);
  builder.mutationField('replayWebhookDelivery', (t) =>
    t.field({
      type: payload,
      description:
        'Sends a message once more, whatever became of it: with the same `webhook-id` and body, within seconds and then for a day.',
      args: { id: t.arg.id({ required: true, description: 'The delivery.' }) },
      ...cost,
      resolve: (_root, { id }, context) => {
        const { projectId } = requireCaller(context);
        return settleArguments(() => replayDelivery(context.deps.webhooks, projectId, id));
      },
    }),
  );
  builder.mutationField('testWebhookEndpoint', (t) =>
    t.field({
      type: payload,
      description: 'Sends an endpoint a message `bulk_task.test`, which is about no task.',
      args: { id: t.arg.id({ required: true, description: 'The endpoint.' }) },
      ...cost,
      resolve: (_root, { id }, context) => {
        const { projectId } = requireCaller(context);
        return settleArguments(() => sendTest(context.deps.webhooks, projectId, id));
      },
    }),
  );
}
