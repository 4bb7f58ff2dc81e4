import type { z } from 'zod';
import type { InputIssue } from '../../errors.ts';

/**
 * Words the issues of a zod schema as Pydantic 2 would: the `code` is Pydantic's error type, `limits` its `ctx`. At most a
 * thousand; `path` is where `input` lies in the request (`['body']`).
 */
export function toPydantic(
  issues: readonly z.core.$ZodIssue[],
  input: unknown,
  path: InputIssue['path'],
): InputIssue[] {
  const worded = issues.slice(0, maxIssues).flatMap((issue) => wordings(issue, input, path));
  // Pydantic stops at the first thing that is wrong with a value.
  return [...new Map(worded.toReversed().map((issue) => [JSON.stringify(issue.path), issue])).values()].toReversed();
}

/** One issue as Pydantic words it. */
export function pydantic(
  path: InputIssue['path'],
  code: string,
  message: string,
  input: unknown,
  limits?: InputIssue['limits'],
): InputIssue {
  return { path, code, message, input, ...(limits && { limits }) };
}

/** Nothing stands where something has to; `parent` is what it is missing from. */
export function missing(path: InputIssue['path'], parent: unknown): InputIssue {
  return pydantic(path, 'missing', 'Field required', parent);
}

/** A field that the model does not have. */
export function extraForbidden(path: InputIssue['path'], input: unknown): InputIssue {
  return pydantic(path, 'extra_forbidden', 'Extra inputs are not permitted', input);
}

/** A text that is not written as it has to be. */
export function patternMismatch(path: InputIssue['path'], pattern: string, input: unknown): InputIssue {
  return pydantic(path, 'string_pattern_mismatch', `String should match pattern '${pattern}'`, input, { pattern });
}

/** A number above `le`. */
export function tooLarge(path: InputIssue['path'], le: number, input: unknown): InputIssue {
  return pydantic(path, 'less_than_equal', `Input should be less than or equal to ${le}`, input, { le });
}

/** A list of more than `max` items. */
export function tooLong(path: InputIssue['path'], max: number, list: readonly unknown[]): InputIssue {
  const limits = { field_type: 'List', max_length: max, actual_length: list.length };
  return pydantic(
    path,
    'too_long',
    `List should have at most ${items(max)} after validation, not ${list.length}`,
    list,
    limits,
  );
}

/** Something else where an object has to be. */
export function notAModel(path: InputIssue['path'], input: unknown): InputIssue {
  return pydantic(
    path,
    'model_attributes_type',
    'Input should be a valid dictionary or object to extract fields from',
    input,
  );
}

const maxIssues = 1000;
/** Bounds of the amount on a card (contract, `initialValue`). */
const leastAmount = 0.01;
const largestAmount = 10_000;

function wordings(issue: z.core.$ZodIssue, input: unknown, base: InputIssue['path']): InputIssue[] {
  const keys = issue.path.map((key) => (typeof key === 'number' ? key : String(key)));
  const path = [...base, ...keys];
  if (issue.code === 'unrecognized_keys') {
    const parent = valueAt(input, keys);
    return issue.keys.map((key) => extraForbidden([...path, key], valueAt(parent, [key])));
  }
  const value = valueAt(input, keys);
  if (value === undefined && issue.code !== 'custom') return [missing(path, valueAt(input, keys.slice(0, -1)))];
  if (keys.join('.') === 'initialValue') return [wrongAmount(path, value)];
  return [wording(issue, path, value)];
}

function wording(issue: z.core.$ZodIssue, path: InputIssue['path'], value: unknown): InputIssue {
  switch (issue.code) {
    case 'invalid_type':
      return wrongType(issue.expected, path, value);
    case 'too_small':
      return tooSmall(issue, path, value);
    case 'too_big':
      return tooBig(issue, path, value);
    case 'invalid_format':
      if (issue.format === 'datetime' && typeof value === 'string') return wrongDateTime(path, value);
      return patternMismatch(path, String(issue.pattern ?? issue.format), value);
    case 'custom':
      return pydantic(path, 'value_error', `Value error, ${issue.message}`, value ?? null, { error: {} });
    default:
      return pydantic(path, 'value_error', `Value error, ${issue.message}`, value, { error: {} });
  }
}

function wrongType(expected: string, path: InputIssue['path'], value: unknown): InputIssue {
  const say = (code: string, message: string) => pydantic(path, code, `Input should be ${message}`, value);
  const isWord = typeof value === 'string';
  switch (expected) {
    case 'int':
    case 'number':
      if (value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY) {
        return say('finite_number', 'a finite number');
      }
      if (typeof value === 'number') {
        return say('int_from_float', 'a valid integer, got a number with a fractional part');
      }
      if (isWord && !/^\s*[+-]?\d+\s*$/.test(value)) {
        return say('int_parsing', 'a valid integer, unable to parse string as an integer');
      }
      return say('int_type', 'a valid integer');
    case 'boolean':
      if (isWord) return say('bool_parsing', 'a valid boolean, unable to interpret input');
      return say('bool_type', 'a valid boolean');
    case 'array':
      return say('list_type', 'a valid list');
    case 'object':
      return notAModel(path, value);
    default:
      if (path.at(-1) === 'expiresAt') return say('datetime_type', 'a valid datetime');
      return say('string_type', 'a valid string');
  }
}

function tooSmall(issue: z.core.$ZodIssueTooSmall, path: InputIssue['path'], value: unknown): InputIssue {
  const min = Number(issue.minimum);
  if (issue.origin === 'string') {
    const limits = { min_length: min };
    return pydantic(path, 'string_too_short', `String should have at least ${characters(min)}`, value, limits);
  }
  if (Array.isArray(value)) {
    const limits = { field_type: 'List', min_length: min, actual_length: value.length };
    const message = `List should have at least ${items(min)} after validation, not ${value.length}`;
    return pydantic(path, 'too_short', message, value, limits);
  }
  return pydantic(path, 'greater_than_equal', `Input should be greater than or equal to ${min}`, value, { ge: min });
}

function tooBig(issue: z.core.$ZodIssueTooBig, path: InputIssue['path'], value: unknown): InputIssue {
  const max = Number(issue.maximum);
  if (Array.isArray(value)) return tooLong(path, max, value);
  if (issue.origin !== 'string') return tooLarge(path, max, value);
  return pydantic(path, 'string_too_long', `String should have at most ${characters(max)}`, value, { max_length: max });
}

function wrongAmount(path: InputIssue['path'], value: unknown): InputIssue {
  if (typeof value !== 'number' && typeof value !== 'string') {
    return pydantic(path, 'decimal_type', 'Decimal input should be an integer, float, string or Decimal object', value);
  }
  const text = String(value).trim();
  const amount = Number(text);
  if (/^[+-]?(inf(inity)?|nan)$/i.test(text)) {
    return pydantic(path, 'finite_number', 'Input should be a finite number', value);
  }
  if (typeof value === 'string' && !/^-?\d+(\.\d+)?$/.test(text)) {
    return pydantic(path, 'decimal_parsing', 'Input should be a valid decimal', value);
  }
  if (amount > largestAmount) return tooLarge(path, largestAmount, value);
  if (amount <= 0) {
    const message = `Input should be greater than or equal to ${leastAmount}`;
    return pydantic(path, 'greater_than_equal', message, value, { ge: leastAmount });
  }
  const message = 'Decimal input should have no more than 2 decimal places';
  return pydantic(path, 'decimal_max_places', message, value, { decimal_places: 2 });
}

/** What Pydantic's parser (speedate) finds wrong first; a moment without an offset is refused as an AwareDatetime's. */
const dateChecks: readonly (readonly [RegExp, string])[] = [
  [/^.{10}/s, 'input is too short'],
  [/^\d{4}/, 'invalid character in year'],
  [/^\d{4}-/, 'invalid date separator, expected `-`'],
  [/^.{5}\d\d/, 'invalid character in month'],
  [/^.{7}-/, 'invalid date separator, expected `-`'],
  [/^.{8}\d\d/, 'invalid character in day'],
  [/^.{5}(0[1-9]|1[0-2])/, 'month value is outside expected range of 1-12'],
];

function wrongDateTime(path: InputIssue['path'], text: string): InputIssue {
  const failed = dateChecks.find(([pattern]) => !pattern.test(text))?.[1];
  if (failed === undefined && isDay(text.slice(0, 10)) && /^.{10}([Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?)?$/.test(text)) {
    return pydantic(path, 'timezone_aware', 'Input should have timezone info', text);
  }
  const isCalendarDay = failed !== undefined || isDay(text.slice(0, 10));
  const inDay = isCalendarDay
    ? 'unexpected extra characters at the end of the input'
    : 'day value is outside expected range';
  const error = failed ?? inDay;
  const message = `Input should be a valid datetime or date, ${error}`;
  return pydantic(path, 'datetime_from_date_parsing', message, text, { error });
}

function isDay(day: string): boolean {
  const date = new Date(`${day}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(day);
}

function valueAt(input: unknown, keys: readonly (string | number)[]): unknown {
  return keys.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
    input,
  );
}

function characters(count: number): string {
  return `${count} ${count === 1 ? 'character' : 'characters'}`;
}

function items(count: number): string {
  return `${count} ${count === 1 ? 'item' : 'items'}`;
}
