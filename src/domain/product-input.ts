import { z } from 'zod';
import type { JsonObject } from '../db/json.ts';
import { isStorable, jsonObject, unstorable } from '../tasks/input.ts';
import { custom } from './reasons.ts';

/** Products and SKUs as clients write them (contract of the async actions, sections 1.4 and 5.4). Other fields are skipped. */

/** Longest source id, in characters. */
export const maxSourceId = 255;
/** Longest name, URL and the like, in characters. */
export const maxText = 2000;

/** Your own id of a product or SKU. */
export const sourceId = z.string().min(1).max(maxSourceId).refine(isStorable, unstorable);
const maybeText = z.string().max(maxText).nullable().optional();
const price = z.int().min(0).nullable().optional().meta({ graphql: 'Float', description: 'In minor units.' });
/** Your own keys and values. */
export const metadata = jsonObject()
  .optional()
  .meta({ graphql: 'JSON', description: 'Your own keys and values; keys left out keep their values.' });
const imageUrl = maybeText.describe('Where its picture is.');

const productFields = {
  name: maybeText.describe('What it is called.'),
  price,
  attributes: z
    .array(z.string().min(1).max(maxText))
    .max(1000)
    .optional()
    .describe('Names of the attributes whose values tell its SKUs apart.'),
  image_url: imageUrl,
  metadata,
};

const skuFields = {
  sku: maybeText.describe('What it is called.'),
  price,
  currency: z.string().max(10).nullable().optional().describe('ISO 4217 code.'),
  attributes: jsonObject()
    .optional()
    .meta({ graphql: 'JSON', description: 'Values of the attributes of its product.' }),
  image_url: imageUrl,
  metadata,
};

const keys = {
  id: z.string().optional().describe('Of one that exists, to change it; new ones get an id of ours.'),
  source_id: sourceId.nullable().optional().describe('Your own id, unique in the project; one that exists is changed.'),
};

/** One product of PRODUCTS.BULK_UPDATE. */
export const productUpdate = z
  .object({ source_id: sourceId.describe('Your own id; an unknown one makes a new product.'), ...productFields })
  .superRefine(requireStorable)
  .meta({
    id: 'ProductUpdateInput',
    description: 'One product to change or to make. Fields left out stay as they are.',
  });

/** The body that changes one product; fields left out stay as they are. */
export const productChange = z.object(productFields).superRefine(requireStorable);
/** The body that makes a product, or changes the one that its id or source id names. */
export const productBody = z.object({ ...keys, ...productFields }).superRefine(requireStorable);
/** The body that changes one SKU; fields left out stay as they are. */
export const skuChange = z.object(skuFields).superRefine(requireStorable);
/** The body that makes a SKU, or changes the one that its id or source id names. */
export const skuBody = z.object({ ...keys, ...skuFields }).superRefine(requireStorable);

export type ProductFields = WithMetadata<z.infer<typeof productChange>>;
export type ProductBody = WithMetadata<z.infer<typeof productBody>>;
export type SkuFields = WithMetadata<z.infer<typeof skuChange>>;
export type SkuBody = WithMetadata<z.infer<typeof skuBody>>;
type WithMetadata<Fields> = Omit<Fields, 'metadata'> & { readonly metadata?: JsonObject | undefined };

function requireStorable(value: object, context: z.RefinementCtx): void {
  const unfit = Object.entries(value).find(([, part]) => !isStorable(part));
  if (unfit !== undefined) context.addIssue(custom([unfit[0]], `${unfit[0]}: ${unstorable}`));
}
