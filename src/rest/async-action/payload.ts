import type { z } from 'zod';
import { ClientError } from '../../errors.ts';
import { findNotFinite } from '../../finite.ts';
import { isUpload } from '../../tasks/input.ts';
import type { AnyOperation } from '../../tasks/operation.ts';

const maxTold = 10;
const typeNames: Readonly<Record<string, string>> = { int: 'integer', record: 'object' };

/**
 * Checks what a start made of its request with the operation's schema. Throws BAD_USER_INPUT in the contract's words
 * (section 3.1: `Property .<path> should be <type>`); `body` is where paths begin.
 */
export function checkInput(operation: AnyOperation, input: unknown, body: unknown): unknown {
  return check(operation.input, input, body);
}

/** Checks a body that is no start with a schema. Throws as `checkInput` does. */
export function checkBody<T>(schema: z.ZodType<T>, body: unknown): T {
  return check(schema, body, body);
}

function check<T>(schema: z.ZodType<T>, input: unknown, body: unknown): T {
  refuseLoneValues(input, body);
  refuseNotFinite(body);
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const told = result.error.issues.slice(0, maxTold).map((issue) => describe(issue, input, body));
  const issues = result.error.issues.map(({ path, message }) => ({ path: path.map(toKey), code: 'INVALID', message }));
  throw new ClientError('BAD_USER_INPUT', told.join('; '), { issues, cause: result.error });
}

/** Refuses a list at its first value that is no object: a body can hold millions of them, and each would be told. */
function refuseLoneValues(input: unknown, body: unknown): void {
  if (typeof input !== 'object' || input === null) return;
  for (const [name, list] of Object.entries(input)) {
    if (!Array.isArray(list) || list.length <= maxTold || list !== body) continue;
    const index = list.findIndex((item) => typeof item !== 'object' || item === null || Array.isArray(item));
    if (index < 0) continue;
    const message = `Property [${index}] should be object`;
    throw new ClientError('BAD_USER_INPUT', message, { issues: [{ path: [name, index], code: 'INVALID', message }] });
  }
}

/** Before items are staged, for JSON holds no such number. A file is no JSON. */
function refuseNotFinite(body: unknown): void {
  const path = isUpload(Reflect.get(Object(body), 'file')) ? undefined : findNotFinite(body);
  if (path === undefined) return;
  const place = path.length === 0 ? 'Payload' : `Property ${path.map(toText).join('')}`;
  const message = `${place} should be a finite number`;
  throw new ClientError('BAD_USER_INPUT', message, { issues: [{ path, code: 'INVALID', message }] });
}

function describe(issue: z.core.$ZodIssue, input: unknown, body: unknown): string {
  const path = pathInBody(issue.path.map(toKey), input, body);
  const value = valueAt(input, issue.path.map(toKey));
  const name = path.at(-1);
  if (value === undefined && path.length === 1) return `Payload should have required property '${name}'`;
  const place = path.length === 0 ? 'Payload' : `Property ${path.map(toText).join('')}`;
  switch (issue.code) {
    case 'invalid_type':
      return `${place} should be ${typeNames[issue.expected] ?? issue.expected}`;
    case 'too_small':
      return `${place} cannot be lower than ${issue.minimum}`;
    case 'too_big':
      return `${place} cannot be greater than ${issue.maximum}`;
    default:
      return `${place}: ${issue.message}`;
  }
}

/** A body that is a list becomes one property of the input; its client knows nothing of that property. */
function pathInBody(path: readonly (string | number)[], input: unknown, body: unknown): readonly (string | number)[] {
  const [first, ...rest] = path;
  const isProperty = first !== undefined && Object.hasOwn(Object(input), first);
  const isWholeBody = isProperty && input !== body && valueAt(input, [first]) === body;
  return isWholeBody ? rest : path;
}

function valueAt(input: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
    input,
  );
}

function toKey(key: PropertyKey): string | number {
  return typeof key === 'number' ? key : String(key);
}

function toText(key: string | number): string {
  return typeof key === 'number' ? `[${key}]` : `.${key}`;
}
