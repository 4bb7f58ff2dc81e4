import SchemaBuilder, {
  type EnumRef,
  type InputObjectRef,
  type InterfaceRef,
  type ObjectRef,
  type UnionRef,
} from '@pothos/core';
import type { Upload } from '../tasks/operation.ts';
import type { Context } from './context.ts';
import type { FieldCost } from './limits.ts';

interface Types {
  Context: Context;
  Scalars: {
    ID: { Input: string; Output: string };
    DateTime: { Input: Date; Output: Date };
    Decimal: { Input: string; Output: string };
    JSON: { Input: unknown; Output: unknown };
    File: { Input: Upload; Output: never };
  };
  DefaultFieldNullability: false;
}

type SchemaTypes = PothosSchemaTypes.ExtendDefaultTypes<Types>;

/** A schema in the making: each file of this folder adds its part to it. */
export type Builder = PothosSchemaTypes.SchemaBuilder<SchemaTypes>;
/** A GraphQL object type whose resolvers get a `Value`. */
export type ObjectType<Value> = ObjectRef<SchemaTypes, Value>;
/** A GraphQL interface whose resolvers get a `Value`. */
export type InterfaceType<Value> = InterfaceRef<SchemaTypes, Value>;
/** A GraphQL union whose members' resolvers get a `Value`. */
export type UnionType<Value> = UnionRef<SchemaTypes, Value>;
/** A GraphQL enum that stands for `Value`. */
export type EnumType<Value extends string> = EnumRef<SchemaTypes, Value>;
/** A GraphQL input object whose fields are known only when the schema is built. */
export type InputObjectType = InputObjectRef<SchemaTypes, object>;
/** What defines the fields of a type whose resolvers get a `Value`. */
export type FieldBuilder<Value> = PothosSchemaTypes.ObjectFieldBuilder<SchemaTypes, Value>;

/** A builder that knows the empty root types. */
export function createBuilder(): Builder {
  const builder = new SchemaBuilder<Types>({ defaultFieldNullability: false });
  builder.queryType({ description: "What can be read. Every field shows only what belongs to the caller's project." });
  builder.mutationType({
    description:
      'What can be started. A task that is answered is stored and will run to its end, whatever happens to this connection.',
  });
  builder.subscriptionType({
    description: 'What is pushed, over WebSocket (subprotocol graphql-transport-ws) or server-sent events.',
  });
  return builder;
}

/** Options of a field that say what selecting it costs. */
export function costs(cost: FieldCost): { extensions: { cost: FieldCost } } {
  return { extensions: { cost } };
}
