import type { ColumnType, Generated, Insertable, JSONColumnType, Selectable } from 'kysely';
import type { TaskKind, TaskModel, TaskState } from '../tasks/state.ts';
import type {
  CampaignsTable,
  CustomersTable,
  MetadataSchemasTable,
  OrdersTable,
  ProductsTable,
  SkusTable,
} from './catalog-tables.ts';
import type { Json, JsonObject } from './json.ts';
import type { WebhookAttemptsTable, WebhookDeliveriesTable, WebhookEndpointsTable } from './webhook-tables.ts';

/** The tables of schema/migrations, as Kysely sees them. Timestamps are Dates; numeric and bigint money are noted each. */
export interface Tables {
  projects: ProjectsTable;
  api_keys: ApiKeysTable;
  merchants: MerchantsTable;
  oauth_tokens: OauthTokensTable;
  gift_card_programs: GiftCardProgramsTable;
  tasks: TasksTable;
  chunks: ChunksTable;
  dry_run_records: DryRunRecordsTable;
  task_events: TaskEventsTable;
  turns: TurnsTable;
  failures: FailuresTable;
  idempotency_keys: IdempotencyKeysTable;
  gift_cards: GiftCardsTable;
  vouchers: VouchersTable;
  metadata_schemas: MetadataSchemasTable;
  campaigns: CampaignsTable;
  customers: CustomersTable;
  products: ProductsTable;
  skus: SkusTable;
  orders: OrdersTable;
  webhook_endpoints: WebhookEndpointsTable;
  webhook_deliveries: WebhookDeliveriesTable;
  webhook_attempts: WebhookAttemptsTable;
}

export type { Json, JsonObject } from './json.ts';

interface ProjectsTable {
  id: Generated<string>;
  name: string;
  created_at: Generated<Date>;
}

interface ApiKeysTable {
  app_id: string;
  project_id: string;
  token_hash: Buffer;
  created_at: Generated<Date>;
  revoked_at: Date | null;
}

interface MerchantsTable {
  username: string;
  project_id: string;
  password_hash: string;
  created_at: Generated<Date>;
  disabled_at: Generated<Date | null>;
}

interface OauthTokensTable {
  id: Generated<number>;
  project_id: string;
  expires_at: Date;
}

interface GiftCardProgramsTable {
  id: string;
  project_id: string;
  name: string;
  currency: string;
  created_at: Generated<Date>;
}

interface TasksTable {
  id: string;
  project_id: string;
  model: TaskModel;
  operation: string;
  kind: Generated<TaskKind>;
  parameters: JSONColumnType<JsonObject>;
  state: TaskState;
  version: Generated<number>;
  total: number;
  processed: Generated<number>;
  succeeded: Generated<number>;
  failed: Generated<number>;
  error: string | null;
  request_id: string;
  created_at: Date;
  started_at: Date | null;
  updated_at: Date;
  completed_at: Date | null;
  priority: Generated<number>;
  started_by: Generated<string | null>;
  changed_by: Generated<string | null>;
  change_reason: Generated<string | null>;
  parent_id: Generated<string | null>;
  /** Items and seconds of late, each fading with time: their quotient is the rate. */
  rate_items: Generated<number>;
  rate_seconds: Generated<number>;
  rate_at: Generated<Date | null>;
}

interface DryRunRecordsTable {
  task_id: string;
  name: string;
  record: JSONColumnType<JsonObject> | null;
}

interface TaskEventsTable {
  task_id: string;
  version: number;
  state: TaskState;
  at: Date;
  actor: string | null;
  reason: string | null;
}

interface TurnsTable {
  task_id: string;
  chunk: number;
  project_id: string;
  turn: number;
  set_aside: Generated<boolean>;
}

interface ChunksTable {
  task_id: string;
  number: number;
  first_row: number;
  size: number;
  /** The JSON of a list, compressed by zstd unless it is old; null where the operation makes its own items. */
  items: Buffer | null;
  applied_at: Date | null;
  /** What a bulk update did to each item: `[key, found, updated]`, in row order; of a dry run, what would become of each. */
  report: ColumnType<Json | null, never, string | null>;
}

interface FailuresTable {
  task_id: string;
  row_number: number;
  key: string | null;
  code: string;
  message: string;
}

interface IdempotencyKeysTable {
  project_id: string;
  operation: string;
  key: string;
  fingerprint: Buffer;
  task_id: string;
  created_at: Generated<Date>;
  /** From then on the key is as if it had never been used. */
  expires_at: Date;
}

interface GiftCardsTable {
  id: string;
  project_id: string;
  program_id: string;
  card_number: string;
  /** A decimal string of the program's currency, two places. */
  initial_value: string;
  balance: string;
  currency: string;
  is_physical: boolean;
  design_template: string | null;
  expires_at: Date;
  customer_email: string | null;
  customer_phone: string | null;
  customer_name: string | null;
  sender_name: string | null;
  custom_message: string | null;
  created_at: Generated<Date>;
}

interface VouchersTable {
  id: string;
  project_id: string;
  code: string;
  type: 'DISCOUNT_VOUCHER' | 'GIFT_VOUCHER' | 'LOYALTY_CARD';
  discount: JSONColumnType<JsonObject> | null;
  /** Minor units, as are all amounts of a voucher. */
  gift_amount: number | null;
  gift_effect: string | null;
  redeemed_amount: Generated<number>;
  category: string | null;
  start_date: Date | null;
  expiration_date: Date | null;
  validity_timeframe: JSONColumnType<JsonObject> | null;
  validity_day_of_week: number[] | null;
  redemption_quantity: number | null;
  redeemed_quantity: Generated<number>;
  active: Generated<boolean>;
  additional_info: string | null;
  metadata: JSONColumnType<JsonObject>;
  created_at: Generated<Date>;
  updated_at: Date | null;
  campaign_id: string | null;
  loyalty_points: number | null;
  published_at: Date | null;
  /** In the bin: it cannot be read, and its code stays taken. */
  deleted_at: Date | null;
  /** The task that made it, unless somebody else has changed it since. */
  created_by_task: Generated<string | null>;
}

export type TaskRow = Selectable<TasksTable>;
export type NewTaskRow = Insertable<TasksTable>;
export type ChunkRow = Selectable<ChunksTable>;
export type VoucherRow = Selectable<VouchersTable>;
