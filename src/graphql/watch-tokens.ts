import { z } from 'zod';
import type { Caller } from '../auth/caller.ts';
import { issueWatchToken } from '../auth/tokens.ts';
import { badInput } from '../errors.ts';
import { id } from '../tasks/input.ts';
import { findTask } from '../tasks/store.ts';
import { type Builder, costs, type ObjectType } from './builder.ts';
import { type Context, requireCaller } from './context.ts';
import { type InputTypes, inputType } from './input-types.ts';
import { type Payload, settle } from './payloads.ts';
import { isTaskId } from './tasks.ts';
import type { UserError } from './user-errors.ts';

interface WatchToken {
  readonly token: string;
  readonly expiresAt: Date;
}

const watchInput = z.object({
  id: id('The task.'),
  seconds: z
    .int()
    .min(10)
    .max(3600)
    .default(900)
    .describe('How long it lasts, 10 to 3600; no longer than the token, if any, that asks for it.'),
});

/** The mutation that makes tokens for browsers. */
export function addWatchTokens(builder: Builder, inputs: InputTypes, userError: ObjectType<UserError>): void {
  const input = inputType(inputs, 'CreateWatchTokenInput', watchInput, 'Which task is to be watched, and how long.');
  const payload = definePayload(builder, userError);
  builder.mutationField('createWatchToken', (t) =>
    t.field({
      type: payload,
      description:
        'A token to hand to a browser: its holder sees how one task is getting on, and nothing else. It opens `bulkTask` of ' +
        'that task as a query and as a subscription, and its REST poll; cards, links, reports and failures stay closed. It ' +
        'ends early when the key or merchant that asked for it is revoked.',
      args: { input: t.arg({ type: input.type, required: true, description: 'Which task, and how long.' }) },
      ...costs({ own: 20 }),
      resolve: (_root, args, context) => {
        const caller = requireCaller(context);
        return settle(watchInput, input.toWire(args.input), (valid) => create(context, caller, valid));
      },
    }),
  );
}

function definePayload(builder: Builder, userError: ObjectType<UserError>): ObjectType<Payload<WatchToken>> {
  return builder.objectRef<Payload<WatchToken>>('WatchTokenPayload').implement({
    description: 'The token, or why there is none.',
    fields: (t) => ({
      token: t.string({
        nullable: true,
        description: 'To be sent as `Authorization: Bearer …`. A secret; null when there are errors.',
        resolve: ({ value }) => value?.token ?? null,
      }),
      expiresAt: t.field({
        type: 'DateTime',
        nullable: true,
        description: 'When it ends; null when there are errors.',
        resolve: ({ value }) => value?.expiresAt ?? null,
      }),
      userErrors: t.expose('userErrors', {
        type: [userError],
        description: 'What to change; empty when all went well.',
      }),
    }),
  });
}

async function create(
  { deps }: Context,
  caller: Caller,
  { id: taskId, seconds }: z.infer<typeof watchInput>,
): Promise<WatchToken> {
  const task = isTaskId(taskId) ? await findTask(deps.db, caller.projectId, taskId) : undefined;
  if (task === undefined) throw badInput(['id'], 'NOT_FOUND', `Cannot find bulk task with id ${taskId}`);
  const endMs = Math.min(Date.now() + seconds * 1000, caller.expiresAt?.getTime() ?? Number.POSITIVE_INFINITY);
  // A token ends on a whole second.
  const expiresAt = new Date(Math.floor(endMs / 1000) * 1000);
  return { token: await issueWatchToken(deps.auth.secret, caller, task.id, expiresAt), expiresAt };
}
