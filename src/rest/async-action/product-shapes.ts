import { z } from 'zod';

/** Products and SKUs: section 5.4 of the contract, with an explicit null for what is not set. */

const dateTime = z.iso.datetime();
const price = z.int().nullable().describe('In minor units.');

export const sku = z.object({
  id: z.string(),
  source_id: z.string().nullable().describe('Unique in the project, whatever the product.'),
  product_id: z.string(),
  sku: z.string().nullable(),
  price,
  currency: z.string().nullable(),
  attributes: z.looseObject({}),
  image_url: z.string().nullable(),
  metadata: z.looseObject({}),
  created_at: dateTime,
  updated_at: dateTime.nullable(),
  object: z.literal('sku'),
});

export const product = z.object({
  id: z.string(),
  source_id: z.string().nullable().describe('Unique in the project.'),
  name: z.string().nullable(),
  price,
  attributes: z.array(z.string()),
  metadata: z.looseObject({}),
  image_url: z.string().nullable(),
  created_at: dateTime,
  updated_at: dateTime.nullable(),
  skus: z
    .object({ object: z.literal('list'), data_ref: z.literal('data'), data: z.array(sku), total: z.int() })
    .describe('The newest 100; /v1/products/{productId}/skus has all.'),
  object: z.literal('product'),
});

export const productList = z.object({
  object: z.literal('list'),
  data_ref: z.literal('products'),
  products: z.array(product),
  total: z.int(),
});

export const skuList = z.object({
  object: z.literal('list'),
  data_ref: z.literal('skus'),
  skus: z.array(sku),
  total: z.int(),
});

export type Sku = z.infer<typeof sku>;
export type Product = z.infer<typeof product>;
export type ProductList = z.infer<typeof productList>;
export type SkuList = z.infer<typeof skuList>;
