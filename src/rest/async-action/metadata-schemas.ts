import type { FastifyInstance } from 'fastify';
import type { GatewayDeps } from '../../deps.ts';
import {
  listMetadataSchemas,
  type MetadataSchemaRecord,
  requireMetadataSchema,
} from '../../domain/metadata-schema-records.ts';
import { callerOf } from '../door.ts';
import type { MetadataSchemaBody, MetadataSchemaList } from './metadata-schema-shapes.ts';

interface Read {
  readonly Params: { readonly resource: string };
}

/** The reads of metadata schemas; they are defined by GraphQL. */
export function registerMetadataSchemas(server: FastifyInstance, deps: GatewayDeps): void {
  server.get('/metadata-schemas', async (request): Promise<MetadataSchemaList> => {
    const schemas = await listMetadataSchemas(deps.db, callerOf(request).projectId);
    return { object: 'list', data_ref: 'schemas', schemas: schemas.map(describe), total: schemas.length };
  });

  server.get<Read>('/metadata-schemas/:resource', async (request): Promise<MetadataSchemaBody> => {
    const { projectId } = callerOf(request);
    return describe(await requireMetadataSchema(deps.db, projectId, request.params.resource));
  });
}

function describe(record: MetadataSchemaRecord): MetadataSchemaBody {
  return {
    id: record.id,
    related_object: record.resource,
    properties: record.definitions,
    allow_defined_only: record.allowDefinedOnly,
    created_at: record.createdAt.toISOString(),
    updated_at: record.updatedAt?.toISOString() ?? null,
    object: 'metadata_schema',
  };
}
