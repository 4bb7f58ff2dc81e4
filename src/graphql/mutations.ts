import { z } from 'zod';
import { createProgram, type GiftCardProgram } from '../domain/gift-cards.ts';
import { takeStart } from '../limits/rate-limits.ts';
import { text } from '../tasks/input.ts';
import type { AnyOperation } from '../tasks/operation.ts';
import type { Snapshot } from '../tasks/snapshot.ts';
import { startTask } from '../tasks/start.ts';
import { type Builder, costs, type ObjectType } from './builder.ts';
import { type Context, requireCaller } from './context.ts';
import type { Enums } from './enums.ts';
import { type Input, type InputTypes, inputType } from './input-types.ts';
import { definePayload, type Payload, settle, withKeyExpiry } from './payloads.ts';
import type { TaskTypes } from './tasks.ts';
import type { UserError } from './user-errors.ts';

/** A start writes to the database, so that a document may hold only a few. */
export const startCost = 500;

const programInput = z.object({
  name: text().min(1).max(200).describe('What people call it, 1 to 200 characters.'),
  currency: z
    .string()
    .regex(/^[A-Z]{3}$/)
    .describe('The currency of its cards: three capitals after ISO 4217, such as `USD`.'),
});

/** One mutation for each operation, and those that prepare for them. */
export function addMutations(
  builder: Builder,
  operations: Iterable<AnyOperation>,
  parts: {
    readonly tasks: TaskTypes;
    readonly enums: Enums;
    readonly inputs: InputTypes;
    readonly userError: ObjectType<UserError>;
  },
): void {
  const { tasks, enums, inputs, userError } = parts;
  const actionPayload = definePayload(builder, 'AsyncActionPayload', 'task', tasks.action, userError);
  for (const operation of operations) {
    const { name, description } = operation.mutation;
    const typeName = name.charAt(0).toUpperCase() + name.slice(1);
    const payload =
      operation.model === 'ASYNC_ACTION'
        ? actionPayload
        : definePayload(builder, `${typeName}Payload`, 'task', tasks.issuance, userError);
    const input = inputType(inputs, `${typeName}Input`, operation.input, `What \`${name}\` is to do.`);
    addStart(builder, operation, { description, payload, input, enums });
  }
  addCreateProgram(
    builder,
    inputType(inputs, 'CreateGiftCardProgramInput', programInput, 'A gift-card program to create.'),
    userError,
  );
}

function addStart(
  builder: Builder,
  operation: AnyOperation,
  parts: { description: string; payload: ObjectType<Payload<Snapshot>>; input: Input; enums: Enums },
): void {
  const { description, payload, input, enums } = parts;
  const checked: z.ZodType = z.compile(operation.input);
  builder.mutationField(operation.mutation.name, (t) =>
    t.field({
      type: payload,
      description,
      args: {
        input: t.arg({ type: input.type, required: true, description: 'What is to be done.' }),
        idempotencyKey: t.arg.string({
          description:
            'Makes the start safe to repeat: the same key with the same input answers the same task, for 7 days unless the operator has ' +
            'set another time. 1 to 255 characters.',
        }),
        priority: t.arg({
          type: enums.priority,
          defaultValue: 'NORMAL',
          description: "Which of the project's own tasks go first.",
        }),
        ...(operation.records && { dryRun: t.arg.boolean(dryRunArgument) }),
      },
      ...costs({ own: startCost }),
      resolve: (_root, args, context) => {
        const caller = requireCaller(context);
        const { projectId, name: startedBy } = caller;
        return withKeyExpiry((keyKept) =>
          settle(checked, input.toWire(args.input), async (valid) => {
            await takeStart(context.deps.limits, caller);
            return startTask(context.deps.engine, {
              operation,
              input: valid,
              projectId,
              requestId: context.requestId,
              idempotencyKey: args.idempotencyKey ?? undefined,
              keyKept,
              priority: args.priority ?? undefined,
              isDryRun: args.dryRun ?? false,
              startedBy,
            });
          }),
        );
      },
    }),
  );
}

const dryRunArgument = {
  defaultValue: false,
  description:
    'Only tells what would become of each item (`outcomes`), and writes nothing but the task. `runDryRun` starts it then. A key of a ' +
    'dry run is not one of a start.',
} as const;

function addCreateProgram(builder: Builder, input: Input, userError: ObjectType<UserError>): void {
  const program = builder.objectRef<GiftCardProgram>('GiftCardProgram').implement({
    description: 'What gift cards are issued under.',
    fields: (t) => ({
      id: t.exposeID('id', { description: '24 hex digits.' }),
      name: t.exposeString('name', { description: 'What people call it.' }),
      currency: t.exposeString('currency', { description: 'The currency of its cards, after ISO 4217.' }),
    }),
  });
  const payload = definePayload(builder, 'GiftCardProgramPayload', 'program', program, userError);
  builder.mutationField('createGiftCardProgram', (t) =>
    t.field({
      type: payload,
      description: 'Creates a gift-card program, which cards can then be issued under.',
      args: { input: t.arg({ type: input.type, required: true, description: 'What it is called and its currency.' }) },
      ...costs({ own: startCost }),
      resolve: (_root, args, context) => create(input.toWire(args.input), context),
    }),
  );
}

function create(input: unknown, context: Context): Promise<Payload<GiftCardProgram>> {
  const { projectId } = requireCaller(context);
  return settle(programInput, input, (valid) => createProgram(context.deps.db, projectId, valid));
}
