import {
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isIntrospectionType,
  isObjectType,
  isSpecifiedScalarType,
  buildSchema as parseSchema,
} from 'graphql';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { printedSchema } from '../../src/graphql/print.ts';
import { buildSchema } from '../../src/graphql/schema.ts';
import { defineOperation } from '../../src/tasks/operation.ts';

describe('the schema', () => {
  it('describes every type, field, argument, input field and enum value', () => {
    const schema = parseSchema(printedSchema());
    expect(documentedParts(schema).filter(([, description]) => !description)).toEqual([]);
  });

  it('prints the same each time', () => {
    expect(printedSchema()).toBe(printedSchema());
  });

  it.each([
    ['union BulkTask', 'union BulkTask = AsyncAction | BulkIssuanceTask'],
    ['bulkTask', '  ): BulkTask\n'],
    ['the subscription', '  ): BulkTask!\n'],
    ['the types of actions', '  VOUCHERS_IMPORT_CSV\n'],
    ['a task as progress', 'type AsyncAction implements TaskProgress {'],
    ['an issuance as progress', 'type BulkIssuanceTask implements TaskProgress {'],
    ['the payload', 'type IssueGiftCardsPayload {'],
    ['a default', '  isPhysical: Boolean = false\n'],
    ['an exact amount', '  initialValue: Decimal!\n'],
    ['a file', '  file: File!\n'],
    ['items', '  vouchers: [VoucherInput!]!\n'],
  ])('holds %s', (_name, text) => {
    expect(printedSchema()).toContain(text);
  });
});

describe('a new operation', () => {
  const operation = (input: z.ZodType<object>) =>
    defineOperation<object, unknown>({
      name: 'things.purge',
      model: 'ASYNC_ACTION',
      actionType: 'THINGS.METADATA_KEY_PURGE',
      result: { family: 'IMPORT', noun: 'thing', failure: { key: null, row: false } },
      chunkSize: 1,
      mutation: { name: 'purgeThings', description: 'Purges things.' },
      input,
      rest: null,
      plan: async () => ({ parameters: {}, items: { count: 0 } }),
      apply: async () => ({ failures: [] }),
    });
  const build = (input: z.ZodType<object>) => buildSchema(new Map([['things.purge', operation(input)]]));

  it('is a mutation, an input type and a type of action', () => {
    const schema = build(z.object({ metadata_key: z.string().describe('Which key.') }));
    expect(schema.getMutationType()?.getFields().purgeThings?.description).toBe('Purges things.');
    const input = schema.getType('PurgeThingsInput');
    expect(isInputObjectType(input) && String(input.getFields().metadataKey?.type)).toBe('String!');
    const type = schema.getType('AsyncActionType');
    expect(isEnumType(type) && type.getValues().map(({ name }) => name)).toEqual(['THINGS_METADATA_KEY_PURGE']);
  });

  it.each([
    ['no description', z.object({ key: z.string() }), 'PurgeThingsInput.key needs a description'],
    ['an object without a name', z.object({ part: z.object({}).describe('A part.') }), 'name the type'],
    ['a union without a scalar', z.object({ part: z.union([z.string(), z.number()]).describe('A part.') }), 'no type'],
  ])('with %s is refused when the schema is built', (_name, input, message) => {
    expect(() => build(input)).toThrow(message);
  });
});

function documentedParts(schema: GraphQLSchema): [string, string | null | undefined][] {
  const own = Object.values(schema.getTypeMap()).filter(
    (type) => !isIntrospectionType(type) && !isSpecifiedScalarType(type),
  );
  return own.flatMap((type) => {
    const parts: [string, string | null | undefined][] = [[type.name, type.description]];
    if (isEnumType(type)) {
      for (const value of type.getValues()) parts.push([`${type.name}.${value.name}`, value.description]);
    } else if (isObjectType(type) || isInterfaceType(type)) {
      for (const field of Object.values(type.getFields())) {
        parts.push([`${type.name}.${field.name}`, field.description]);
        for (const arg of field.args) parts.push([`${type.name}.${field.name}(${arg.name})`, arg.description]);
      }
    } else if (isInputObjectType(type)) {
      for (const field of Object.values(type.getFields()))
        parts.push([`${type.name}.${field.name}`, field.description]);
    }
    return parts;
  });
}
