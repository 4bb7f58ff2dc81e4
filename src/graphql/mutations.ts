import { z } from 'zod';
import { createProgram, type GiftCardProgram } from '../domain/gift-cards.ts';
import { text } from '../tasks/input.ts';
import type { AnyOperation } from '../tasks/operation.ts';
import type { Snapshot } from '../tasks/snapshot.ts';
import { startTask } from '../tasks/start.ts';
import { type Builder, costs, type ObjectType } from './builder.ts';
import { type Context, requireCaller } from './context.ts';
import { createInputTypes, type Input, inputType } from './input-types.ts';
import type { TaskTypes } from './tasks.ts';
import { defineUserError, inputErrors, type UserError, userErrorsOf } from './user-errors.ts';

/** Either the value, or why there is none. */
interface Payload<Value> {
  readonly value: Value | null;
  readonly userErrors: readonly UserError[];
}

/** A start writes to the database, so that a document may hold only a few. */
const startCost = 500;

const programInput = z.object({
  name: text().min(1).max(200).describe('What people call it, 1 to 200 characters.'),
  currency: z
    .string()
    .regex(/^[A-Z]{3}$/)
    .describe('The currency of its cards: three capitals after ISO 4217, such as `USD`.'),
});

/** One mutation for each operation, and those that prepare for them. */
export function addMutations(builder: Builder, operations: Iterable<AnyOperation>, tasks: TaskTypes): void {
  const userError = defineUserError(builder);
  const inputs = createInputTypes(builder);
  const actionPayload = definePayload(builder, 'AsyncActionPayload', 'task', tasks.action, userError);
  for (const operation of operations) {
    const { name, description } = operation.mutation;
    const typeName = name.charAt(0).toUpperCase() + name.slice(1);
    const payload =
      operation.model === 'ASYNC_ACTION'
        ? actionPayload
        : definePayload(builder, `${typeName}Payload`, 'task', tasks.issuance, userError);
    const input = inputType(inputs, `${typeName}Input`, operation.input, `What \`${name}\` is to do.`);
    addStart(builder, operation, { description, payload, input });
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
  parts: { description: string; payload: ObjectType<Payload<Snapshot>>; input: Input },
): void {
  const { description, payload, input } = parts;
  builder.mutationField(operation.mutation.name, (t) =>
    t.field({
      type: payload,
      description,
      args: {
        input: t.arg({ type: input.type, required: true, description: 'What is to be done.' }),
        idempotencyKey: t.arg.string({
          description:
            'Makes the start safe to repeat: the same key with the same input answers the same task. 1 to 255 characters.',
        }),
      },
      ...costs({ own: startCost }),
      resolve: (_root, args, context) => {
        const { projectId } = requireCaller(context);
        return settle(operation.input, input.toWire(args.input), (valid) =>
          startTask(context.deps.engine, {
            operation,
            input: valid,
            projectId,
            requestId: context.requestId,
            idempotencyKey: args.idempotencyKey ?? undefined,
          }),
        );
      },
    }),
  );
}

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

function definePayload<Value extends object>(
  builder: Builder,
  name: string,
  field: 'task' | 'program',
  type: ObjectType<Value>,
  userError: ObjectType<UserError>,
): ObjectType<Payload<Value>> {
  return builder.objectRef<Payload<Value>>(name).implement({
    description: `The ${field}, or why there is none.`,
    fields: (t) => ({
      [field]: t.expose('value', { type, nullable: true, description: `The ${field}; null when there are errors.` }),
      userErrors: t.expose('userErrors', {
        type: [userError],
        description: 'What to change; empty when all went well.',
      }),
    }),
  });
}

/** Checks the input and runs `begin`; what the caller can mend goes into the payload. */
async function settle<Valid, Value>(
  schema: z.ZodType<Valid>,
  input: unknown,
  begin: (valid: Valid) => Promise<Value>,
): Promise<Payload<Value>> {
  const checked = schema.safeParse(input);
  if (!checked.success) return { value: null, userErrors: inputErrors(checked.error) };
  try {
    return { value: await begin(checked.data), userErrors: [] };
  } catch (error) {
    return { value: null, userErrors: userErrorsOf(error) };
  }
}
