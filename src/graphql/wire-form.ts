import type { GraphQLInputField } from 'graphql';

/**
 * Inputs in the form that schemas take. An input type that is made of a schema names its fields in camel case, the schema names
 * them as the wire does. Variables are brought into that form as they are coerced, which saves large lists a copy; what a document
 * says itself is coerced by graphql-js and brought into it by `Input.toWire`, which leaves alone what is in it already.
 */
export interface WireField {
  /** The schema's property. */
  readonly key: string;
  /** Where it does not, null is as good as nothing. */
  readonly takesNull: boolean;
}

/** What the extensions of a field say; undefined for a field of a type that is not made of a schema. */
export function wireFieldOf({ extensions }: GraphQLInputField): WireField | undefined {
  const { wire } = extensions;
  return isWireField(wire) ? wire : undefined;
}

function isWireField(value: unknown): value is WireField {
  return typeof value === 'object' && value !== null && 'key' in value && 'takesNull' in value;
}

/** A scalar as JSON has it. */
export function scalarToWire(value: unknown): unknown {
  if (!(value instanceof Date)) return value;
  const ms = value.getTime();
  // Most dates of an import are that of the item before.
  if (ms !== latest.ms) Object.assign(latest, { ms, text: value.toISOString() });
  return latest.text;
}

/** A moment and its text. */
const latest = { ms: 0, text: '1970-01-01T00:00:00.000Z' };

const inWireForm = new WeakSet<object>();

/** Remembers of an object or a list that it is in this form, with all that it holds. */
export function markWireForm(value: unknown): void {
  if (typeof value === 'object' && value !== null) inWireForm.add(value);
}

export function isInWireForm(value: object): boolean {
  return inWireForm.has(value);
}
