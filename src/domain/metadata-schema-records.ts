import { sql } from 'kysely';
import { z } from 'zod';
import type { Database } from '../db/client.ts';
import { badInput, notFound } from '../errors.ts';
import { newRecordIds } from './ids.ts';
import { type MetadataDefinition, metadataDefinition } from './metadata-definitions.ts';
import type { MetadataSchemaInput } from './metadata-schema-input.ts';

/** A metadata schema as it is stored. */
export interface MetadataSchemaRecord {
  readonly id: string;
  readonly resource: string;
  readonly definitions: Readonly<Record<string, MetadataDefinition>>;
  readonly allowDefinedOnly: boolean;
  readonly createdAt: Date;
  readonly updatedAt: Date | null;
}

const definitions = z.record(z.string(), metadataDefinition);
const columns = [
  'id',
  'resource',
  'definitions',
  'allow_defined_only as allowDefinedOnly',
  'created_at as createdAt',
  'updated_at as updatedAt',
] as const;

/** Writes the project's schema of a resource in place of the one there was. What is stored already is not checked again.
 *  Throws BAD_USER_INPUT when an object type is not defined. */
export async function defineMetadataSchema(
  db: Database,
  projectId: string,
  input: MetadataSchemaInput,
): Promise<MetadataSchemaRecord> {
  const byKey = input.definitions.map(({ key, ...definition }) => [key, definition] as const);
  const values = {
    definitions: JSON.stringify(Object.fromEntries(byKey)),
    allow_defined_only: input.allow_defined_only,
  };
  return db.transaction().execute(async (tx) => {
    const [id = ''] = newRecordIds('ms_', 1, 24);
    const row = await tx
      .insertInto('metadata_schemas')
      .values({ id, project_id: projectId, resource: input.resource, ...values })
      .onConflict((conflict) =>
        conflict
          .columns(['project_id', 'resource'])
          .doUpdateSet({ ...values, updated_at: sql<Date>`clock_timestamp()` }),
      )
      .returning(columns)
      .executeTakeFirstOrThrow();
    await requireObjectTypes(tx, projectId, input);
    return toRecord(row);
  });
}

/** The project's schemas, by resource name. */
export async function listMetadataSchemas(db: Database, projectId: string): Promise<MetadataSchemaRecord[]> {
  const rows = await selectSchemas(db, projectId).orderBy('resource').execute();
  return rows.map(toRecord);
}

/** The project's schema of a resource. Throws NOT_FOUND when none is defined. */
export async function requireMetadataSchema(
  db: Database,
  projectId: string,
  resource: string,
): Promise<MetadataSchemaRecord> {
  // Postgres takes no text with a NUL, so no resource has one.
  const row = resource.includes('\0')
    ? undefined
    : await selectSchemas(db, projectId).where('resource', '=', resource).executeTakeFirst();
  if (row === undefined) throw notFound('metadata_schema', resource);
  return toRecord(row);
}

function selectSchemas(db: Database, projectId: string) {
  return db.selectFrom('metadata_schemas').select(columns).where('project_id', '=', projectId);
}

/** A type may refer to itself, so this comes after the write. */
async function requireObjectTypes(tx: Database, projectId: string, input: MetadataSchemaInput): Promise<void> {
  const known = new Set((await selectSchemas(tx, projectId).execute()).map(({ resource }) => resource));
  input.definitions.forEach(({ objectType }, index) => {
    if (!objectType || known.has(objectType)) return;
    const message = `There is no metadata schema ${objectType}; define it first`;
    throw badInput(['definitions', index, 'objectType'], 'NOT_FOUND', message, objectType);
  });
}

function toRecord(row: Omit<MetadataSchemaRecord, 'definitions'> & { definitions: unknown }): MetadataSchemaRecord {
  return { ...row, definitions: definitions.parse(row.definitions) };
}
