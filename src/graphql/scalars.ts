import { GraphQLError, type ValueNode, valueFromASTUntyped } from 'graphql';
import { findNotFinite } from '../finite.ts';
import { isUpload } from '../tasks/input.ts';
import type { Upload } from '../tasks/operation.ts';
import type { Builder } from './builder.ts';

const dateTimePattern = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/i;
const decimalPattern = /^-?\d+(\.\d+)?$/;

export function addScalars(builder: Builder): void {
  builder.scalarType('DateTime', {
    description: 'A moment after RFC 3339 with an offset, such as `2026-08-01T12:00:00.000Z`. Answers are in UTC.',
    serialize: (value) => value.toISOString(),
    parseValue: readDateTime,
  });
  builder.scalarType('Decimal', {
    description: 'An exact decimal number: a string or a number on input, a string on output, such as `"12.50"`.',
    serialize: (value) => value,
    parseValue: readDecimal,
    parseLiteral: (node) => readDecimal('value' in node ? node.value : undefined),
  });
  builder.scalarType('JSON', {
    description: 'Any JSON value. Its numbers must be finite.',
    serialize: (value) => value,
    parseValue: readJson,
    parseLiteral: (node, variables) => readJson(valueFromASTUntyped(node, variables)),
  });
  builder.scalarType('File', {
    description:
      'A file that is uploaded with the request, after the GraphQL multipart request specification: `operations` and ' +
      '`map` first, then the one file. It is read while it arrives.',
    serialize: () => {
      throw new GraphQLError('A File is for input only');
    },
    parseValue: readFile,
    parseLiteral: (node) => readFile(node),
  });
}

function readDateTime(value: unknown): Date {
  // Most dates of an import are that of the item before.
  if (value === latest.text) return new Date(latest.ms);
  const text = typeof value === 'string' && dateTimePattern.test(value) ? value : '';
  const moment = new Date(text);
  if (Number.isNaN(moment.getTime()) || !isDay(text)) {
    throw new GraphQLError('Expected a DateTime after RFC 3339 with an offset, such as "2026-08-01T12:00:00Z"');
  }
  latest.text = text;
  latest.ms = moment.getTime();
  return moment;
}

/** A text and what it reads as. */
const latest = { text: '1970-01-01T00:00:00Z', ms: 0 };

/** Date moves 31 February to March instead of refusing it. */
function isDay(text: string): boolean {
  const day = Number(text.slice(8, 10));
  return day <= 28 || new Date(`${text.slice(0, 10)}T00:00:00Z`).getUTCDate() === day;
}

function readDecimal(value: unknown): string {
  const text = typeof value === 'string' || typeof value === 'number' ? String(value) : '';
  if (!decimalPattern.test(text)) throw new GraphQLError('Expected a Decimal: a number, or a string such as "12.50"');
  return text;
}

/** What reads as an infinite number would be stored as null. */
function readJson(value: unknown): unknown {
  const path = findNotFinite(value);
  if (path === undefined) return value;
  const place = path.length === 0 ? '' : ` (at ${path.join('.')})`;
  throw new GraphQLError(`Expected JSON: a number must be finite${place}`);
}

function readFile(value: unknown | ValueNode): Upload {
  if (!isUpload(value)) {
    throw new GraphQLError(
      'Expected a File: send the request as multipart/form-data and map a file part to this variable',
    );
  }
  return value;
}
