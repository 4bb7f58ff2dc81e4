import { printSchema } from 'graphql';
import { operations } from '../operations/index.ts';
import { buildSchema } from './schema.ts';

/** The GraphQL contract as text, types and fields in alphabetical order: what schema/schema.graphql holds. */
export function printedSchema(): string {
  return `${printSchema(buildSchema(operations))}\n`;
}
