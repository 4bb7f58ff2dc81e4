import { expect, test } from 'vitest';
import { ClientError } from '../../src/errors.ts';
import { toFastApi } from '../../src/rest/bulk-issuance/refusals.ts';
import { readStart } from '../../src/rest/bulk-issuance/requests.ts';

const programId = '5eb7cf5a86d9755df3a6c593';
const valid = { initialValue: 5, count: 1 };

/** Each answer is what Pydantic 2.13 says of the same model; `ge` and `le` of a Decimal as FastAPI encodes them. */
const wordings: [name: string, body: object, errors: object[]][] = [
  [
    'an amount that is text',
    { ...valid, initialValue: 'x' },
    [error('decimal_parsing', 'Input should be a valid decimal')],
  ],
  ['an empty amount', { ...valid, initialValue: '' }, [error('decimal_parsing', 'Input should be a valid decimal')]],
  [
    'an amount below zero',
    { ...valid, initialValue: '-1' },
    [error('greater_than_equal', 'Input should be greater than or equal to 0.01', { ge: 0.01 })],
  ],
  [
    'an amount of zero',
    { ...valid, initialValue: 0 },
    [error('greater_than_equal', 'Input should be greater than or equal to 0.01', { ge: 0.01 })],
  ],
  [
    'an amount too large',
    { ...valid, initialValue: 100_000 },
    [error('less_than_equal', 'Input should be less than or equal to 10000', { le: 10_000 })],
  ],
  [
    'three decimals',
    { ...valid, initialValue: 12.345 },
    [error('decimal_max_places', 'Decimal input should have no more than 2 decimal places', { decimal_places: 2 })],
  ],
  [
    'an amount of another type',
    { ...valid, initialValue: true },
    [error('decimal_type', 'Decimal input should be an integer, float, string or Decimal object')],
  ],
  ['no number', { ...valid, initialValue: 'NaN' }, [error('finite_number', 'Input should be a finite number')]],
  [
    'a count of zero',
    { ...valid, count: 0 },
    [error('greater_than_equal', 'Input should be greater than or equal to 1', { ge: 1 })],
  ],
  [
    'half a card',
    { ...valid, count: 1.5 },
    [error('int_from_float', 'Input should be a valid integer, got a number with a fractional part')],
  ],
  [
    'a count that is text',
    { ...valid, count: 'x' },
    [error('int_parsing', 'Input should be a valid integer, unable to parse string as an integer')],
  ],
  ['a count that is a list', { ...valid, count: [] }, [error('int_type', 'Input should be a valid integer')]],
  [
    'a count without end',
    { ...valid, count: Number.POSITIVE_INFINITY },
    [error('finite_number', 'Input should be a finite number')],
  ],
  [
    'a flag that is text',
    { ...valid, isPhysical: 'x' },
    [error('bool_parsing', 'Input should be a valid boolean, unable to interpret input')],
  ],
  ['a flag that is null', { ...valid, isPhysical: null }, [error('bool_type', 'Input should be a valid boolean')]],
  [
    'a long name',
    { ...valid, designTemplate: 'x'.repeat(101) },
    [error('string_too_long', 'String should have at most 100 characters', { max_length: 100 })],
  ],
  [
    'a name that is a number',
    { ...valid, designTemplate: 1 },
    [error('string_type', 'Input should be a valid string')],
  ],
  [
    'a time that is a flag',
    { ...valid, expiresAt: true },
    [error('datetime_type', 'Input should be a valid datetime')],
  ],
  [
    'a time without zone',
    { ...valid, expiresAt: '2099-01-01T00:00:00' },
    [error('timezone_aware', 'Input should have timezone info')],
  ],
  ['a day alone', { ...valid, expiresAt: '2099-01-01' }, [error('timezone_aware', 'Input should have timezone info')]],
  ['a word for a time', { ...valid, expiresAt: 'tomorrow' }, [dateError('input is too short')]],
  ['a German date', { ...valid, expiresAt: '01.02.2026' }, [dateError('invalid character in year')]],
  ['slashes', { ...valid, expiresAt: '2026/01/01' }, [dateError('invalid date separator, expected `-`')]],
  ['month 13', { ...valid, expiresAt: '2026-13-01' }, [dateError('month value is outside expected range of 1-12')]],
  ['30 February', { ...valid, expiresAt: '2026-02-30' }, [dateError('day value is outside expected range')]],
  [
    'hour 25',
    { ...valid, expiresAt: '2026-01-01T25:00:00Z' },
    [dateError('unexpected extra characters at the end of the input')],
  ],
  [
    'no recipients',
    { initialValue: 5, recipients: [] },
    [
      error('too_short', 'List should have at least 1 item after validation, not 0', {
        field_type: 'List',
        min_length: 1,
        actual_length: 0,
      }),
    ],
  ],
  [
    'recipients that are text',
    { initialValue: 5, recipients: 'x' },
    [error('list_type', 'Input should be a valid list')],
  ],
  [
    'a recipient that is no object',
    { initialValue: 5, recipients: [1] },
    [error('model_attributes_type', 'Input should be a valid dictionary or object to extract fields from')],
  ],
  [
    'several wrong parts of a recipient',
    { initialValue: 5, recipients: [{ x: 1, customerEmail: 2 }] },
    [
      error('string_type', 'Input should be a valid string'),
      error('extra_forbidden', 'Extra inputs are not permitted'),
    ],
  ],
  [
    'neither count nor recipients',
    { initialValue: 5 },
    [error('value_error', 'Value error, exactly one of count and recipients is required', { error: {} })],
  ],
  ['an unknown field', { ...valid, foo: { a: 1 } }, [error('extra_forbidden', 'Extra inputs are not permitted')]],
];

test.each(wordings)('words %s as Pydantic does', (_name, body, errors) => {
  expect(refusalOf(body)).toMatchObject(errors);
});

test('says where in a list the mistake is, and what was there', () => {
  const recipients = [{}, { customerName: 5 }];
  expect(refusalOf({ initialValue: 5, recipients })).toEqual([
    {
      loc: ['body', 'recipients', 1, 'customerName'],
      msg: 'Input should be a valid string',
      type: 'string_type',
      input: 5,
    },
  ]);
});

test('lists no more than a thousand mistakes', () => {
  const recipients = Array.from({ length: 5_000 }, () => ({ customerName: 5 }));
  expect(refusalOf({ initialValue: 5, recipients })).toHaveLength(1_000);
});

test('leaves out an input that is too long to be sent back', () => {
  const [told] = refusalOf({ ...valid, designTemplate: 'x'.repeat(2_000) });
  expect(told).not.toHaveProperty('input');
});

test('bounds how many items a task takes', () => {
  const recipients = [{}, {}, {}];
  expect(refusalOf({ initialValue: 5, count: 3 }, 2)).toMatchObject([
    error('less_than_equal', 'Input should be less than or equal to 2', { le: 2 }),
  ]);
  expect(refusalOf({ initialValue: 5, recipients }, 2)).toMatchObject([
    error('too_long', 'List should have at most 2 items after validation, not 3', {
      field_type: 'List',
      max_length: 2,
      actual_length: 3,
    }),
  ]);
});

function error(type: string, msg: string, ctx?: object): object {
  return ctx === undefined ? { type, msg } : { type, msg, ctx };
}

function dateError(why: string): object {
  return error('datetime_from_date_parsing', `Input should be a valid datetime or date, ${why}`, { error: why });
}

function refusalOf(body: object, maxItems = 10_000_000): object[] {
  try {
    readStart(programId, {}, body, maxItems);
  } catch (thrown) {
    if (!(thrown instanceof ClientError)) throw thrown;
    const { status, body: answer } = toFastApi({ kind: 'client_error', error: thrown }, {} as never);
    expect(status).toBe(422);
    return (answer as { detail: object[] }).detail;
  }
  throw new Error('expected a refusal');
}
