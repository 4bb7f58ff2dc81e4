import { type MetadataSchemaInput, metadataSchemaInput } from '../domain/metadata-schema-input.ts';
import {
  defineMetadataSchema,
  listMetadataSchemas,
  type MetadataSchemaRecord,
} from '../domain/metadata-schema-records.ts';
import { type Builder, costs, type EnumType, type ObjectType } from './builder.ts';
import { requireCaller } from './context.ts';
import { type InputTypes, inputType } from './input-types.ts';
import { definePayload, settle } from './payloads.ts';
import type { UserError } from './user-errors.ts';

type Definition = MetadataSchemaInput['definitions'][number];

/** The query and the mutation of the schemas that guard metadata. */
export function addMetadataSchemas(builder: Builder, inputs: InputTypes, userError: ObjectType<UserError>): void {
  const name = 'DefineMetadataSchemaInput';
  const input = inputType(inputs, name, metadataSchemaInput, 'What metadata of one kind of resource must hold.');
  const type = inputs.enums.get('MetadataType')?.type;
  if (type === undefined) throw new Error(`${name} has no MetadataType`);
  const schema = defineSchema(builder, defineDefinition(builder, type));
  const payload = definePayload(builder, 'MetadataSchemaPayload', 'schema', schema, userError);
  builder.mutationField('defineMetadataSchema', (t) =>
    t.field({
      type: payload,
      description:
        'Defines what metadata of one kind of resource must hold, in place of what was defined before. It is asked at every write from then on; what is stored already stays.',
      args: { input: t.arg({ type: input.type, required: true, description: 'The whole schema.' }) },
      ...costs({ own: 500 }),
      resolve: (_root, args, context) => {
        const { projectId } = requireCaller(context);
        return settle(metadataSchemaInput, input.toWire(args.input), (valid) =>
          defineMetadataSchema(context.deps.db, projectId, valid),
        );
      },
    }),
  );
  builder.queryField('metadataSchemas', (t) =>
    t.field({
      type: [schema],
      description: 'What metadata must hold, for every resource that a schema is defined for.',
      ...costs({ own: 20 }),
      resolve: (_root, _args, context) => listMetadataSchemas(context.deps.db, requireCaller(context).projectId),
    }),
  );
}

function defineSchema(builder: Builder, definition: ObjectType<Definition>): ObjectType<MetadataSchemaRecord> {
  return builder.objectRef<MetadataSchemaRecord>('MetadataSchema').implement({
    description: 'What metadata of one kind of resource must hold.',
    fields: (t) => ({
      id: t.exposeID('id', { description: '`ms_` and 24 letters and digits.' }),
      resource: t.exposeString('resource', { description: 'Such as `voucher`, or the name of an object type.' }),
      definitions: t.field({
        type: [definition],
        description: 'Every key that is defined.',
        resolve: ({ definitions }) => Object.entries(definitions).map(([key, rules]) => ({ key, ...rules })),
      }),
      allowDefinedOnly: t.exposeBoolean('allowDefinedOnly', {
        description: 'Whether keys that are not defined are refused.',
      }),
      createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was first defined.' }),
      updatedAt: t.expose('updatedAt', {
        type: 'DateTime',
        nullable: true,
        description: 'When it was last defined anew.',
      }),
    }),
  });
}

function defineDefinition(builder: Builder, type: EnumType<string>): ObjectType<Definition> {
  return builder.objectRef<Definition>('MetadataDefinition').implement({
    description: 'What one metadata key must hold. Rules that are null do not apply.',
    fields: (t) => ({
      key: t.exposeString('key', { description: 'The metadata key.' }),
      type: t.field({
        type,
        description: 'What the value, or every element of it, must be.',
        resolve: (rules) => rules.type,
      }),
      array: t.exposeBoolean('array', { description: 'Whether the value is a list.' }),
      optional: t.exposeBoolean('optional', { description: 'Whether a new resource may go without it.' }),
      objectType: t.exposeString('objectType', { nullable: true, description: 'The schema that the object must fit.' }),
      eq: t.expose('eq', { type: ['JSON'], nullable: true, description: 'The only values there may be.' }),
      ne: t.expose('ne', { type: ['JSON'], nullable: true, description: 'Values there may not be.' }),
      lt: t.exposeFloat('lt', { nullable: true, description: 'Lower than this.' }),
      lte: t.exposeFloat('lte', { nullable: true, description: 'Lower than this, or equal.' }),
      gt: t.exposeFloat('gt', { nullable: true, description: 'Greater than this.' }),
      gte: t.exposeFloat('gte', { nullable: true, description: 'Greater than this, or equal.' }),
      minLength: t.exposeInt('minLength', { nullable: true, description: 'At least so many characters.' }),
      maxLength: t.exposeInt('maxLength', { nullable: true, description: 'At most so many characters.' }),
      exactLength: t.exposeInt('exactLength', { nullable: true, description: 'Exactly so many characters.' }),
      deleted: t.boolean({
        description: 'No longer checked: the key is as if it were not defined.',
        resolve: ({ deleted }) => deleted ?? false,
      }),
    }),
  });
}
