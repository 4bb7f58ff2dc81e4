import type { z } from 'zod';
import { ClientError } from '../errors.ts';
import type { Builder, ObjectType } from './builder.ts';
import { camelCase } from './input-schemas.ts';

/** What a caller can mend: told in the payload, beside a task that is null. */
export interface UserError {
  /** A path into the mutation's arguments; null when it is about none of them. */
  readonly field: readonly string[] | null;
  readonly message: string;
  readonly code: string;
  /** In how many seconds the same may be asked again, where that is all there is to change. */
  readonly retryAfter?: number | undefined;
}

type Path = readonly PropertyKey[];

/** More would not be read, and a request can hold a million mistakes. */
const maxTold = 100;

export function defineUserError(builder: Builder): ObjectType<UserError> {
  return builder.objectRef<UserError>('UserError').implement({
    description: 'Why nothing was started, and what to change. Nothing is stored when there is one.',
    fields: (t) => ({
      field: t.stringList({
        nullable: true,
        description: 'Which argument: a path such as `["input", "recipients", "0", "customerEmail"]`.',
        resolve: ({ field }) => field,
      }),
      message: t.exposeString('message', { description: 'What is wrong, for people.' }),
      code: t.exposeString('code', {
        description:
          'What is wrong, for programs: `INVALID_TYPE`, `TOO_SMALL`, `TOO_BIG`, `INVALID_FORMAT`, `INVALID`, `NOT_FOUND`, ' +
          '`TOO_MANY_ITEMS`, `IDEMPOTENCY_KEY_REUSED`, `IDEMPOTENCY_KEY_IN_USE`, `RATE_LIMITED`, …',
      }),
      retryAfter: t.int({
        nullable: true,
        description:
          'Of `RATE_LIMITED`, that no start is left: in how many seconds the same may be sent again; else null.',
        resolve: ({ retryAfter }) => retryAfter ?? null,
      }),
    }),
  });
}

/** What an input lacks to fit its schema. */
export function inputErrors(error: z.ZodError): UserError[] {
  return error.issues.slice(0, maxTold).map(({ path, code, message }) => ({
    field: inInput(path),
    message,
    code: code === 'custom' ? 'INVALID' : code.toUpperCase(),
  }));
}

/** The errors of the payload that a refused start amounts to; throws on what is no matter of the arguments. */
export function userErrorsOf(error: unknown): UserError[] {
  if (!(error instanceof ClientError)) throw error;
  const { code, message, issues, resource, retryAfter } = error;
  switch (code) {
    case 'BAD_USER_INPUT':
      if (issues.length === 0) return [{ field: inInput([]), message, code }];
      return issues.map((issue) => ({ field: argumentPath(issue.path), message: issue.message, code: issue.code }));
    case 'IDEMPOTENCY_KEY_IN_USE':
    case 'IDEMPOTENCY_KEY_REUSED':
      return [{ field: ['idempotencyKey'], message, code }];
    case 'RATE_LIMITED':
      // Of one of several starts: as an error of its field it would take from the others what they have begun.
      return [{ field: null, message, code, retryAfter }];
    case 'NOT_FOUND':
      return [{ field: resource === undefined ? null : inInput([`${resource.type}_id`]), message, code }];
    default:
      throw error;
  }
}

function argumentPath(path: Path): string[] {
  return path[0] === 'idempotencyKey' ? ['idempotencyKey'] : inInput(path);
}

function inInput(path: Path): string[] {
  return ['input', ...path.map((part) => camelCase(String(part)))];
}
