import type { z } from 'zod';
import type { Builder, ObjectType, UnionType } from './builder.ts';
import { inputErrors, type UserError, userErrorsOf } from './user-errors.ts';

/** What a mutation answers: either the value, or why there is none. */
export interface Payload<Value> {
  readonly value: Value | null;
  readonly userErrors: readonly UserError[];
  /** Until when the idempotency key of a start stands for this answer. */
  readonly keyExpiresAt?: Date | undefined;
}

/** Defines the type of a payload whose value is called `field`. */
export function definePayload<Value extends object>(
  builder: Builder,
  name: string,
  field: 'task' | 'program' | 'schema' | 'endpoint' | 'delivery',
  type: ObjectType<Value> | UnionType<Value>,
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
      ...(field === 'task' && {
        idempotencyKeyExpiresAt: t.field({
          type: 'DateTime',
          nullable: true,
          description: 'Until when the idempotency key that was given stands for this task; null without one.',
          resolve: ({ keyExpiresAt }) => keyExpiresAt,
        }),
      }),
    }),
  });
}

/** Runs what tells until when an idempotency key stands, and adds that to its payload. */
export async function withKeyExpiry<Value>(
  run: (keyKept: (until: Date) => void) => Promise<Payload<Value>>,
): Promise<Payload<Value>> {
  let keyExpiresAt: Date | undefined;
  const payload = await run((until) => {
    keyExpiresAt = until;
  });
  return { ...payload, keyExpiresAt };
}

/** Checks the input and runs `begin`; what the caller can mend goes into the payload. */
export async function settle<Valid, Value>(
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
