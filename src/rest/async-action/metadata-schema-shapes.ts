import { z } from 'zod';
import { metadataDefinition } from '../../domain/metadata-definitions.ts';

/** A metadata schema as the contract has it, section 4.3. */
export const metadataSchema = z.object({
  id: z.string().describe('`ms_` and 24 letters and digits.'),
  related_object: z.string().describe('The resource, or the name of an object type.'),
  properties: z.record(z.string(), metadataDefinition).describe('What each key must hold.'),
  allow_defined_only: z.boolean(),
  created_at: z.iso.datetime(),
  updated_at: z.iso.datetime().nullable(),
  object: z.literal('metadata_schema'),
});

/** All metadata schemas of the project. */
export const metadataSchemaList = z.object({
  object: z.literal('list'),
  data_ref: z.literal('schemas'),
  schemas: z.array(metadataSchema),
  total: z.int(),
});

export type MetadataSchemaBody = z.infer<typeof metadataSchema>;
export type MetadataSchemaList = z.infer<typeof metadataSchemaList>;
