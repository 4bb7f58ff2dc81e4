import type { z } from 'zod';
import type { Failure } from '../tasks/operation.ts';

const maxShownCharacters = 100;
const typePhrases: Readonly<Record<string, string>> = {
  string: 'must be a string',
  number: 'must be a number',
  int: 'must be an integer',
  boolean: 'must be a boolean',
  array: 'must be an array',
  object: 'must be an object',
  record: 'must be an object',
};

/** The first thing wrong with an item, in the grammar of the async-action contract, section 4.3:
 *  `<field>: <phrase>[, <phrase>] (actual value is '<value>')`. */
export function failureOf(row: number, key: string | null, error: z.ZodError, item: unknown): Failure {
  const [issue] = error.issues;
  if (issue === undefined) throw new Error('a refused item without an issue', { cause: error });
  const isWhole = issue.code === 'custom' && issue.params?.isWhole === true;
  const message = isWhole ? issue.message : describe(issue, item);
  return { row, key, code: codeOf(issue, item), message };
}

/** A reason of our own in the same grammar. */
export function reason(field: string, phrase: string, value: unknown): string {
  return `${field}: ${phrase} (actual value is '${show(value)}')`;
}

/** An issue for zod whose message is the whole reason: shown as it is. */
export function custom(path: readonly string[], message: string) {
  return { code: 'custom' as const, path: [...path], message, input: undefined, params: { isWhole: true } };
}

function describe(issue: z.core.$ZodIssue, item: unknown): string {
  const value = valueAt(item, issue.path);
  return reason(issue.path.join('.'), phrasesOf(issue, value).join(', '), value);
}

function phrasesOf(issue: z.core.$ZodIssue, value: unknown): string[] {
  const required = value === undefined ? ['property is required'] : [];
  switch (issue.code) {
    case 'invalid_type':
      return [typePhrases[issue.expected] ?? `must be ${issue.expected}`, ...required];
    case 'invalid_value':
      return [...required, `must be equal to one of ${issue.values.join(',')}`];
    case 'too_small':
      return [
        issue.origin === 'string'
          ? `must have at least ${issue.minimum} characters`
          : `cannot be lower than ${issue.minimum}`,
      ];
    case 'too_big':
      return [
        issue.origin === 'string'
          ? `must have at most ${issue.maximum} characters`
          : `cannot be greater than ${issue.maximum}`,
      ];
    default:
      return [issue.message];
  }
}

function codeOf(issue: z.core.$ZodIssue, item: unknown): string {
  if (issue.code === 'custom') return 'INVALID';
  return valueAt(item, issue.path) === undefined ? 'REQUIRED' : 'INVALID';
}

function valueAt(item: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
    item,
  );
}

function show(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'undefined');
  return text.length > maxShownCharacters ? `${text.slice(0, maxShownCharacters)}…` : text;
}
