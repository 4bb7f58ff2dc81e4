import type { Generated, JSONColumnType, Selectable } from 'kysely';
import type { JsonObject } from './json.ts';

/** The tables of what async actions work on; tables.ts has the rest. */

export interface MetadataSchemasTable {
  id: string;
  project_id: string;
  /** A kind of record, or the name of an object type. */
  resource: string;
  definitions: JSONColumnType<JsonObject, string, string>;
  allow_defined_only: Generated<boolean>;
  created_at: Generated<Date>;
  updated_at: Date | null;
}

type CampaignStatus = 'DONE' | 'IN_PROGRESS' | 'FAILED' | 'DRAFT' | 'MODIFYING';

export interface CampaignsTable {
  id: string;
  project_id: string;
  name: string;
  campaign_type: 'DISCOUNT_COUPONS' | 'GIFT_VOUCHERS' | 'LOYALTY_PROGRAM' | 'REFERRAL_PROGRAM';
  type: 'AUTO_UPDATE' | 'STATIC' | 'STANDALONE';
  /** What each voucher gets: type, discount or gift or loyalty_card, redemption, code_config. */
  voucher: JSONColumnType<JsonObject>;
  description: string | null;
  category: string | null;
  start_date: Date | null;
  expiration_date: Date | null;
  validity_timeframe: JSONColumnType<JsonObject> | null;
  validity_day_of_week: number[] | null;
  validity_hours: JSONColumnType<JsonObject> | null;
  activity_duration_after_publishing: string | null;
  access_settings: JSONColumnType<JsonObject> | null;
  active: Generated<boolean>;
  auto_join: Generated<boolean>;
  join_once: Generated<boolean>;
  use_voucher_metadata_schema: Generated<boolean>;
  metadata: JSONColumnType<JsonObject>;
  creation_status: CampaignStatus;
  vouchers_generation_status: CampaignStatus;
  created_at: Generated<Date>;
  updated_at: Date | null;
  /** In the bin: it cannot be read, and its name stays taken. */
  deleted_at: Date | null;
}

export interface CustomersTable {
  id: string;
  project_id: string;
  source_id: string | null;
  name: string | null;
  description: string | null;
  email: string | null;
  phone: string | null;
  birthdate: string | null;
  address: JSONColumnType<JsonObject> | null;
  metadata: JSONColumnType<JsonObject> | null;
  created_at: Generated<Date>;
  updated_at: Date | null;
  /** The task that made it, unless somebody else has changed it since. */
  created_by_task: Generated<string | null>;
}

export interface ProductsTable {
  id: string;
  project_id: string;
  source_id: string | null;
  name: string | null;
  /** Minor units. */
  price: number | null;
  attributes: JSONColumnType<readonly string[]>;
  image_url: string | null;
  metadata: JSONColumnType<JsonObject>;
  created_at: Generated<Date>;
  updated_at: Date | null;
  /** The task that made it, unless somebody else has changed it since. */
  created_by_task: Generated<string | null>;
}

export interface SkusTable {
  id: string;
  project_id: string;
  product_id: string;
  source_id: string | null;
  sku: string | null;
  /** Minor units. */
  price: number | null;
  currency: string | null;
  attributes: JSONColumnType<JsonObject>;
  image_url: string | null;
  metadata: JSONColumnType<JsonObject>;
  created_at: Generated<Date>;
  updated_at: Date | null;
  /** The task that made it, unless somebody else has changed it since. */
  created_by_task: Generated<string | null>;
}

export interface OrdersTable {
  id: string;
  project_id: string;
  source_id: string | null;
  status: 'CREATED' | 'PAID' | 'CANCELED' | 'FULFILLED';
  /** Minor units, as are all amounts of an order. */
  amount: number | null;
  initial_amount: number | null;
  discount_amount: number | null;
  items: JSONColumnType<readonly JsonObject[]>;
  metadata: JSONColumnType<JsonObject>;
  customer_id: string | null;
  referrer_id: string | null;
  created_at: Generated<Date>;
  updated_at: Date | null;
  /** The task that made it, unless somebody else has changed it since. */
  created_by_task: Generated<string | null>;
}

export type MetadataSchemaRow = Selectable<MetadataSchemasTable>;
export type CampaignRow = Selectable<CampaignsTable>;
export type CustomerRow = Selectable<CustomersTable>;
export type ProductRow = Selectable<ProductsTable>;
export type SkuRow = Selectable<SkusTable>;
export type OrderRow = Selectable<OrdersTable>;
