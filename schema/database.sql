-- The schema after all migrations, printed by `npm run schema`. Do not edit.

create table api_keys (
  app_id text not null,
  project_id uuid not null,
  token_hash bytea not null,
  created_at timestamp(3) with time zone not null default now(),
  revoked_at timestamp(3) with time zone,
  constraint api_keys_app_id_check CHECK (((length(app_id) >= 1) AND (length(app_id) <= 200))),
  constraint api_keys_pkey PRIMARY KEY (app_id),
  constraint api_keys_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id),
  constraint api_keys_token_hash_check CHECK ((length(token_hash) = 32))
);

create table campaigns (
  id text collate "C" not null,
  project_id uuid not null,
  name text collate "C" not null,
  campaign_type text not null,
  type text not null,
  voucher jsonb not null,
  description text,
  category text,
  start_date timestamp(3) with time zone,
  expiration_date timestamp(3) with time zone,
  validity_timeframe jsonb,
  validity_day_of_week smallint[],
  validity_hours jsonb,
  activity_duration_after_publishing text,
  access_settings jsonb,
  active boolean not null default true,
  auto_join boolean not null default false,
  join_once boolean not null default false,
  use_voucher_metadata_schema boolean not null default false,
  metadata jsonb not null default '{}'::jsonb,
  creation_status text not null,
  vouchers_generation_status text not null,
  created_at timestamp(3) with time zone not null default now(),
  updated_at timestamp(3) with time zone,
  deleted_at timestamp(3) with time zone,
  constraint campaigns_campaign_type_check CHECK ((campaign_type = ANY (ARRAY['DISCOUNT_COUPONS'::text, 'GIFT_VOUCHERS'::text, 'LOYALTY_PROGRAM'::text, 'REFERRAL_PROGRAM'::text]))),
  constraint campaigns_creation_status_check CHECK ((creation_status = ANY (ARRAY['DONE'::text, 'IN_PROGRESS'::text, 'FAILED'::text, 'DRAFT'::text, 'MODIFYING'::text]))),
  constraint campaigns_name_check CHECK (((length(name) >= 1) AND (length(name) <= 255))),
  constraint campaigns_pkey PRIMARY KEY (id),
  constraint campaigns_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id),
  constraint campaigns_project_id_name_key UNIQUE (project_id, name),
  constraint campaigns_type_check CHECK ((type = ANY (ARRAY['AUTO_UPDATE'::text, 'STATIC'::text, 'STANDALONE'::text]))),
  constraint campaigns_vouchers_generation_status_check CHECK ((vouchers_generation_status = ANY (ARRAY['DONE'::text, 'IN_PROGRESS'::text, 'FAILED'::text, 'DRAFT'::text, 'MODIFYING'::text])))
);

create table chunks (
  task_id text collate "C" not null,
  number integer not null,
  first_row integer not null,
  size integer not null,
  items bytea,
  applied_at timestamp(3) with time zone,
  report json,
  constraint chunks_first_row_check CHECK ((first_row >= 1)),
  constraint chunks_number_check CHECK ((number >= 0)),
  constraint chunks_pkey PRIMARY KEY (task_id, number),
  constraint chunks_size_check CHECK ((size >= 1))
);

create table customers (
  id text collate "C" not null,
  project_id uuid not null,
  source_id text collate "C",
  name text,
  description text,
  email text,
  phone text,
  birthdate text,
  address jsonb,
  metadata jsonb,
  created_at timestamp(3) with time zone not null default now(),
  updated_at timestamp(3) with time zone,
  created_by_task text collate "C" default NULLIF(current_setting('bulkcast.task'::text, true), ''::text),
  constraint customers_pkey PRIMARY KEY (id),
  constraint customers_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id),
  constraint customers_project_id_source_id_key UNIQUE (project_id, source_id)
);

create table dry_run_records (
  task_id text collate "C" not null,
  name text collate "C" not null,
  record jsonb,
  constraint dry_run_records_pkey PRIMARY KEY (task_id, name),
  constraint dry_run_records_task_id_fkey FOREIGN KEY (task_id) REFERENCES tasks(id) ON DELETE CASCADE
);

create table failures (
  task_id text collate "C" not null,
  row_number integer not null,
  key text,
  code text not null,
  message text not null,
  constraint failures_pkey PRIMARY KEY (task_id, row_number),
  constraint failures_row_number_check CHECK ((row_number >= 1))
);

create table gift_card_programs (
  id text collate "C" not null,
  project_id uuid not null,
  name text not null,
  currency text not null,
  created_at timestamp(3) with time zone not null default now(),
  constraint gift_card_programs_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
  constraint gift_card_programs_id_check CHECK ((id ~ '^[0-9a-f]{24}$'::text)),
  constraint gift_card_programs_name_check CHECK (((length(name) >= 1) AND (length(name) <= 200))),
  constraint gift_card_programs_pkey PRIMARY KEY (id),
  constraint gift_card_programs_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id)
);

create table gift_cards (
  id text collate "C" not null,
  project_id uuid not null,
  program_id text collate "C" not null,
  card_number text collate "C" not null,
  initial_value numeric(12,2) not null,
  balance numeric(12,2) not null,
  currency text not null,
  is_physical boolean not null,
  design_template text,
  expires_at timestamp(3) with time zone not null,
  customer_email text,
  customer_phone text,
  customer_name text,
  sender_name text,
  custom_message text,
  created_at timestamp(3) with time zone not null default now(),
  constraint gift_cards_card_number_check CHECK ((length(card_number) = 16)),
  constraint gift_cards_check CHECK (((balance >= (0)::numeric) AND (balance <= initial_value))),
  constraint gift_cards_id_check CHECK ((length(id) = 24)),
  constraint gift_cards_initial_value_check CHECK ((initial_value > (0)::numeric)),
  constraint gift_cards_pkey PRIMARY KEY (id),
  constraint gift_cards_project_id_card_number_key UNIQUE (project_id, card_number)
);

create table idempotency_keys (
  project_id uuid not null,
  operation text not null,
  key text not null,
  fingerprint bytea not null,
  task_id text collate "C" not null,
  created_at timestamp(3) with time zone not null default now(),
  expires_at timestamp(3) with time zone not null,
  constraint idempotency_keys_fingerprint_check CHECK ((length(fingerprint) = 32)),
  constraint idempotency_keys_key_check CHECK (((length(key) >= 1) AND (length(key) <= 255))),
  constraint idempotency_keys_pkey PRIMARY KEY (project_id, operation, key),
  constraint idempotency_keys_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id),
  constraint idempotency_keys_task_id_fkey FOREIGN KEY (task_id) REFERENCES tasks(id) ON DELETE CASCADE
);

create table kept_items (
  task_id text collate "C" not null,
  ended_at timestamp(3) with time zone not null,
  constraint kept_items_pkey PRIMARY KEY (task_id),
  constraint kept_items_task_id_fkey FOREIGN KEY (task_id) REFERENCES tasks(id) ON DELETE CASCADE
);

create table leftovers (
  task_id text collate "C" not null,
  is_whole boolean not null,
  constraint leftovers_pkey PRIMARY KEY (task_id)
);

create table merchants (
  username text not null,
  project_id uuid not null,
  password_hash text not null,
  created_at timestamp(3) with time zone not null default now(),
  disabled_at timestamp(3) with time zone,
  constraint merchants_pkey PRIMARY KEY (username),
  constraint merchants_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id),
  constraint merchants_username_check CHECK (((length(username) >= 1) AND (length(username) <= 200)))
);

create table metadata_schemas (
  id text collate "C" not null,
  project_id uuid not null,
  resource text collate "C" not null,
  definitions json not null,
  allow_defined_only boolean not null default false,
  created_at timestamp(3) with time zone not null default now(),
  updated_at timestamp(3) with time zone,
  constraint metadata_schemas_pkey PRIMARY KEY (id),
  constraint metadata_schemas_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id),
  constraint metadata_schemas_project_id_resource_key UNIQUE (project_id, resource),
  constraint metadata_schemas_resource_check CHECK (((length(resource) >= 1) AND (length(resource) <= 100)))
);

create table migrations (
  name text not null,
  applied_at timestamp with time zone not null default now(),
  constraint migrations_pkey PRIMARY KEY (name)
);

create table oauth_tokens (
  id bigint not null,
  project_id uuid not null,
  expires_at timestamp(3) with time zone not null,
  constraint oauth_tokens_pkey PRIMARY KEY (id),
  constraint oauth_tokens_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id)
);

create table orders (
  id text collate "C" not null,
  project_id uuid not null,
  source_id text collate "C",
  status text not null,
  amount bigint,
  initial_amount bigint,
  discount_amount bigint,
  items jsonb not null default '[]'::jsonb,
  metadata jsonb not null default '{}'::jsonb,
  customer_id text collate "C",
  referrer_id text collate "C",
  created_at timestamp(3) with time zone not null default now(),
  updated_at timestamp(3) with time zone,
  created_by_task text collate "C" default NULLIF(current_setting('bulkcast.task'::text, true), ''::text),
  constraint orders_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES customers(id) ON DELETE SET NULL,
  constraint orders_pkey PRIMARY KEY (id),
  constraint orders_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id),
  constraint orders_project_id_source_id_key UNIQUE (project_id, source_id),
  constraint orders_referrer_id_fkey FOREIGN KEY (referrer_id) REFERENCES customers(id) ON DELETE SET NULL,
  constraint orders_status_check CHECK ((status = ANY (ARRAY['CREATED'::text, 'PAID'::text, 'CANCELED'::text, 'FULFILLED'::text])))
);

create table products (
  id text collate "C" not null,
  project_id uuid not null,
  source_id text collate "C",
  name text,
  price bigint,
  attributes jsonb not null default '[]'::jsonb,
  image_url text,
  metadata jsonb not null default '{}'::jsonb,
  created_at timestamp(3) with time zone not null default now(),
  updated_at timestamp(3) with time zone,
  created_by_task text collate "C" default NULLIF(current_setting('bulkcast.task'::text, true), ''::text),
  constraint products_pkey PRIMARY KEY (id),
  constraint products_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id),
  constraint products_project_id_source_id_key UNIQUE (project_id, source_id)
);

create table projects (
  id uuid not null default gen_random_uuid(),
  name text not null,
  created_at timestamp(3) with time zone not null default now(),
  constraint projects_name_check CHECK (((length(name) >= 1) AND (length(name) <= 200))),
  constraint projects_pkey PRIMARY KEY (id)
);

create table retention_rounds (
  is_only boolean not null default true,
  next_at timestamp(3) with time zone not null default now(),
  constraint retention_rounds_is_only_check CHECK (is_only),
  constraint retention_rounds_pkey PRIMARY KEY (is_only)
);

create table skus (
  id text collate "C" not null,
  project_id uuid not null,
  product_id text collate "C" not null,
  source_id text collate "C",
  sku text,
  price bigint,
  currency text,
  attributes jsonb not null default '{}'::jsonb,
  image_url text,
  metadata jsonb not null default '{}'::jsonb,
  created_at timestamp(3) with time zone not null default now(),
  updated_at timestamp(3) with time zone,
  created_by_task text collate "C" default NULLIF(current_setting('bulkcast.task'::text, true), ''::text),
  constraint skus_pkey PRIMARY KEY (id),
  constraint skus_product_id_fkey FOREIGN KEY (product_id) REFERENCES products(id) ON DELETE CASCADE,
  constraint skus_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id),
  constraint skus_project_id_source_id_key UNIQUE (project_id, source_id)
);

create table task_events (
  task_id text collate "C" not null,
  version integer not null,
  state text not null,
  at timestamp(3) with time zone not null,
  actor text,
  reason text,
  constraint task_events_pkey PRIMARY KEY (task_id, version),
  constraint task_events_task_id_fkey FOREIGN KEY (task_id) REFERENCES tasks(id) ON DELETE CASCADE
);

create table tasks (
  id text collate "C" not null,
  project_id uuid not null,
  model text not null,
  operation text not null,
  parameters jsonb not null,
  state text not null,
  version integer not null default 1,
  total integer not null,
  processed integer not null default 0,
  succeeded integer not null default 0,
  failed integer not null default 0,
  error text,
  request_id text not null,
  created_at timestamp(3) with time zone not null,
  started_at timestamp(3) with time zone,
  updated_at timestamp(3) with time zone not null,
  completed_at timestamp(3) with time zone,
  priority smallint not null default 0,
  started_by text,
  changed_by text,
  change_reason text,
  parent_id text collate "C",
  rate_items double precision not null default 0,
  rate_seconds double precision not null default 0,
  rate_at timestamp(3) with time zone,
  kind text not null default 'RUN'::text,
  constraint tasks_change_reason_check CHECK ((length(change_reason) <= 1000)),
  constraint tasks_check CHECK ((processed = (succeeded + failed))),
  constraint tasks_check1 CHECK ((processed <= total)),
  constraint tasks_check2 CHECK (((state <> 'SUCCEEDED'::text) OR (processed = total))),
  constraint tasks_check3 CHECK (((state = ANY (ARRAY['SUCCEEDED'::text, 'FAILED'::text, 'CANCELED'::text])) = (completed_at IS NOT NULL))),
  constraint tasks_check4 CHECK (((state = 'FAILED'::text) OR (error IS NULL))),
  constraint tasks_check5 CHECK ((updated_at >= created_at)),
  constraint tasks_failed_check CHECK ((failed >= 0)),
  constraint tasks_kind_check CHECK ((kind = ANY (ARRAY['RUN'::text, 'DRY_RUN'::text, 'UNDO'::text]))),
  constraint tasks_model_check CHECK ((model = ANY (ARRAY['BULK_ISSUANCE'::text, 'ASYNC_ACTION'::text]))),
  constraint tasks_pkey PRIMARY KEY (id),
  constraint tasks_priority_check CHECK (((priority >= '-1'::integer) AND (priority <= 1))),
  constraint tasks_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id),
  constraint tasks_state_check CHECK ((state = ANY (ARRAY['QUEUED'::text, 'RUNNING'::text, 'PAUSED'::text, 'CANCELING'::text, 'SUCCEEDED'::text, 'FAILED'::text, 'CANCELED'::text]))),
  constraint tasks_succeeded_check CHECK ((succeeded >= 0)),
  constraint tasks_total_check CHECK ((total >= 0)),
  constraint tasks_version_check CHECK ((version >= 1))
);

create table turns (
  task_id text collate "C" not null,
  chunk integer not null,
  project_id uuid not null,
  turn bigint not null,
  set_aside boolean not null default false,
  constraint turns_pkey PRIMARY KEY (task_id, chunk),
  constraint turns_task_id_fkey FOREIGN KEY (task_id) REFERENCES tasks(id) ON DELETE CASCADE
);

create table vouchers (
  id text collate "C" not null,
  project_id uuid not null,
  code text collate "C" not null,
  type text not null,
  discount jsonb,
  gift_amount bigint,
  gift_effect text,
  redeemed_amount bigint not null default 0,
  category text,
  start_date timestamp(3) with time zone,
  expiration_date timestamp(3) with time zone,
  validity_timeframe jsonb,
  validity_day_of_week smallint[],
  redemption_quantity integer,
  redeemed_quantity integer not null default 0,
  active boolean not null default true,
  additional_info text,
  metadata jsonb not null default '{}'::jsonb,
  created_at timestamp(3) with time zone not null default now(),
  updated_at timestamp(3) with time zone,
  campaign_id text collate "C",
  loyalty_points bigint,
  published_at timestamp(3) with time zone,
  deleted_at timestamp(3) with time zone,
  created_by_task text collate "C" default NULLIF(current_setting('bulkcast.task'::text, true), ''::text),
  constraint vouchers_campaign_id_fkey FOREIGN KEY (campaign_id) REFERENCES campaigns(id),
  constraint vouchers_check CHECK (((type = 'DISCOUNT_VOUCHER'::text) = (discount IS NOT NULL))),
  constraint vouchers_check1 CHECK (((type = 'GIFT_VOUCHER'::text) = (gift_amount IS NOT NULL))),
  constraint vouchers_check2 CHECK ((redeemed_amount <= COALESCE(gift_amount, (0)::bigint))),
  constraint vouchers_check3 CHECK (((type = 'LOYALTY_CARD'::text) = (loyalty_points IS NOT NULL))),
  constraint vouchers_check4 CHECK (((type <> 'LOYALTY_CARD'::text) OR (campaign_id IS NOT NULL))),
  constraint vouchers_code_check CHECK (((length(code) >= 1) AND (length(code) <= 255))),
  constraint vouchers_gift_amount_check CHECK ((gift_amount >= 0)),
  constraint vouchers_loyalty_points_check CHECK ((loyalty_points >= 0)),
  constraint vouchers_pkey PRIMARY KEY (id),
  constraint vouchers_project_id_code_key UNIQUE (project_id, code),
  constraint vouchers_redeemed_amount_check CHECK ((redeemed_amount >= 0)),
  constraint vouchers_redeemed_quantity_check CHECK ((redeemed_quantity >= 0)),
  constraint vouchers_redemption_quantity_check CHECK ((redemption_quantity >= 0)),
  constraint vouchers_type_check CHECK ((type = ANY (ARRAY['DISCOUNT_VOUCHER'::text, 'GIFT_VOUCHER'::text, 'LOYALTY_CARD'::text])))
);

create table webhook_attempts (
  delivery_id uuid not null,
  number integer not null,
  at timestamp(3) with time zone not null default clock_timestamp(),
  status integer,
  duration_ms integer not null,
  answer text,
  error text,
  constraint webhook_attempts_answer_check CHECK ((length(answer) <= 1000)),
  constraint webhook_attempts_delivery_id_fkey FOREIGN KEY (delivery_id) REFERENCES webhook_deliveries(id) ON DELETE CASCADE,
  constraint webhook_attempts_pkey PRIMARY KEY (delivery_id, number)
);

create table webhook_deliveries (
  id uuid not null default gen_random_uuid(),
  endpoint_id uuid not null,
  task_id text collate "C",
  version integer,
  type text not null,
  body text not null,
  state text not null default 'PENDING'::text,
  attempts integer not null default 0,
  created_at timestamp(3) with time zone not null default clock_timestamp(),
  expires_at timestamp(3) with time zone not null default (clock_timestamp() + '1 day'::interval),
  next_attempt_at timestamp(3) with time zone default clock_timestamp(),
  completed_at timestamp(3) with time zone,
  constraint webhook_deliveries_check CHECK (((state = 'PENDING'::text) = (completed_at IS NULL))),
  constraint webhook_deliveries_check1 CHECK (((state = 'PENDING'::text) = (next_attempt_at IS NOT NULL))),
  constraint webhook_deliveries_endpoint_id_fkey FOREIGN KEY (endpoint_id) REFERENCES webhook_endpoints(id) ON DELETE CASCADE,
  constraint webhook_deliveries_pkey PRIMARY KEY (id),
  constraint webhook_deliveries_state_check CHECK ((state = ANY (ARRAY['PENDING'::text, 'SUCCEEDED'::text, 'FAILED'::text])))
);

create table webhook_endpoints (
  id uuid not null,
  project_id uuid not null,
  url text not null,
  events text[] not null,
  description text,
  secret bytea not null,
  previous_secret bytea,
  previous_secret_until timestamp(3) with time zone,
  created_at timestamp(3) with time zone not null default clock_timestamp(),
  updated_at timestamp(3) with time zone not null default clock_timestamp(),
  failures integer not null default 0,
  failing_since timestamp(3) with time zone,
  paused_until timestamp(3) with time zone,
  disabled_at timestamp(3) with time zone,
  disabled_reason text,
  deleted_at timestamp(3) with time zone,
  constraint webhook_endpoints_check CHECK (((previous_secret IS NULL) = (previous_secret_until IS NULL))),
  constraint webhook_endpoints_check1 CHECK (((failures = 0) = (failing_since IS NULL))),
  constraint webhook_endpoints_check2 CHECK (((disabled_at IS NULL) = (disabled_reason IS NULL))),
  constraint webhook_endpoints_description_check CHECK ((length(description) <= 1000)),
  constraint webhook_endpoints_disabled_reason_check CHECK ((disabled_reason = ANY (ARRAY['REQUESTED'::text, 'GONE'::text, 'FAILING'::text]))),
  constraint webhook_endpoints_events_check CHECK ((cardinality(events) > 0)),
  constraint webhook_endpoints_pkey PRIMARY KEY (id),
  constraint webhook_endpoints_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE,
  constraint webhook_endpoints_url_check CHECK (((length(url) >= 1) AND (length(url) <= 2000)))
);

CREATE INDEX chunks_left ON public.chunks USING btree (task_id, number) WHERE (applied_at IS NULL);

CREATE INDEX customers_project ON public.customers USING btree (project_id, id);

CREATE INDEX gift_card_programs_project ON public.gift_card_programs USING btree (project_id, id);

CREATE INDEX idempotency_keys_expires ON public.idempotency_keys USING btree (expires_at);

CREATE INDEX idempotency_keys_task ON public.idempotency_keys USING btree (task_id);

CREATE INDEX kept_items_ended ON public.kept_items USING btree (ended_at);

CREATE INDEX oauth_tokens_project ON public.oauth_tokens USING btree (project_id, expires_at);

CREATE INDEX orders_customer ON public.orders USING btree (customer_id) WHERE (customer_id IS NOT NULL);

CREATE INDEX orders_project ON public.orders USING btree (project_id, id);

CREATE INDEX orders_referrer ON public.orders USING btree (referrer_id) WHERE (referrer_id IS NOT NULL);

CREATE INDEX products_project ON public.products USING btree (project_id, id);

CREATE INDEX skus_product ON public.skus USING btree (product_id, id);

CREATE INDEX tasks_by_kind ON public.tasks USING btree (project_id, model, kind, created_at DESC, id DESC);

CREATE INDEX tasks_by_state ON public.tasks USING btree (project_id, model, kind, operation, state, created_at DESC, id DESC);

CREATE INDEX tasks_ended ON public.tasks USING btree (completed_at) WHERE (completed_at IS NOT NULL);

CREATE INDEX tasks_in_line ON public.tasks USING btree (project_id, priority DESC, created_at, id) WHERE (completed_at IS NULL);

CREATE INDEX tasks_parent ON public.tasks USING btree (parent_id) WHERE (parent_id IS NOT NULL);

CREATE INDEX tasks_project_updated ON public.tasks USING btree (project_id, updated_at);

CREATE INDEX tasks_unfinished ON public.tasks USING btree (state, operation) WHERE (completed_at IS NULL);

CREATE INDEX turns_project ON public.turns USING btree (project_id);

CREATE INDEX vouchers_campaign ON public.vouchers USING btree (campaign_id, id) WHERE (campaign_id IS NOT NULL);

CREATE INDEX vouchers_created ON public.vouchers USING btree (project_id, created_at DESC, id DESC);

CREATE INDEX webhook_deliveries_completed ON public.webhook_deliveries USING btree (completed_at) WHERE (completed_at IS NOT NULL);

CREATE INDEX webhook_deliveries_endpoint ON public.webhook_deliveries USING btree (endpoint_id, created_at, id);

CREATE INDEX webhook_deliveries_pending ON public.webhook_deliveries USING btree (endpoint_id) WHERE (state = 'PENDING'::text);

CREATE INDEX webhook_endpoints_deleted ON public.webhook_endpoints USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);

CREATE INDEX webhook_endpoints_project ON public.webhook_endpoints USING btree (project_id, created_at);

CREATE OR REPLACE FUNCTION public.forget_creator()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  new.created_by_task := null;
  return new;
end $function$
;

CREATE OR REPLACE FUNCTION public.guard_chunk()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  if old.applied_at is not null and new.applied_at is distinct from old.applied_at then
    raise exception 'chunk % of task % is applied already', old.number, old.task_id using errcode = 'check_violation';
  end if;
  return new;
end $function$
;

CREATE OR REPLACE FUNCTION public.guard_task()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  if old.completed_at is not null then
    raise exception 'task % is %, which is final', old.id, old.state using errcode = 'check_violation';
  end if;
  if new.state <> old.state and not (
    (old.state = 'QUEUED' and new.state in ('RUNNING', 'PAUSED', 'CANCELING', 'CANCELED', 'FAILED'))
    or (old.state = 'RUNNING' and new.state in ('PAUSED', 'CANCELING', 'SUCCEEDED', 'FAILED'))
    or (old.state = 'PAUSED' and new.state in ('QUEUED', 'RUNNING', 'CANCELING', 'CANCELED', 'SUCCEEDED', 'FAILED'))
    or (old.state = 'CANCELING' and new.state in ('CANCELED', 'SUCCEEDED', 'FAILED'))
  ) then
    raise exception 'task % cannot go from % to %', old.id, old.state, new.state using errcode = 'check_violation';
  end if;
  if new.version <> old.version + 1 then
    raise exception 'task % goes from version % to %', old.id, old.version, new.version using errcode = 'check_violation';
  end if;
  if new.succeeded < old.succeeded or new.failed < old.failed then
    raise exception 'a counter of task % falls', old.id using errcode = 'check_violation';
  end if;
  if (new.id, new.project_id, new.model, new.operation, new.parameters, new.total, new.request_id, new.created_at)
    is distinct from (old.id, old.project_id, old.model, old.operation, old.parameters, old.total, old.request_id, old.created_at)
    or (old.started_at is not null and new.started_at is distinct from old.started_at)
  then
    raise exception 'task % changes what cannot change', old.id using errcode = 'check_violation';
  end if;
  return new;
end $function$
;

CREATE OR REPLACE FUNCTION public.keep_items()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  insert into kept_items (task_id, ended_at) values (new.id, new.completed_at);
  return null;
end $function$
;

CREATE OR REPLACE FUNCTION public.note_task_event()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
declare
  is_asked boolean := tg_op = 'INSERT' or new.state in ('PAUSED', 'CANCELING')
    or old.state = 'PAUSED' and new.state in ('QUEUED', 'RUNNING');
begin
  insert into task_events (task_id, version, state, at, actor, reason)
  values (
    new.id, new.version, new.state, new.updated_at,
    case when tg_op = 'INSERT' then new.started_by when is_asked then new.changed_by end,
    case when is_asked then new.change_reason end
  );
  return null;
end $function$
;

CREATE TRIGGER forget_creator BEFORE UPDATE ON public.vouchers FOR EACH ROW WHEN (((old.created_by_task IS NOT NULL) AND (old.created_by_task IS DISTINCT FROM current_setting('bulkcast.task'::text, true)))) EXECUTE FUNCTION forget_creator();

CREATE TRIGGER forget_creator BEFORE UPDATE ON public.customers FOR EACH ROW WHEN (((old.created_by_task IS NOT NULL) AND (old.created_by_task IS DISTINCT FROM current_setting('bulkcast.task'::text, true)))) EXECUTE FUNCTION forget_creator();

CREATE TRIGGER forget_creator BEFORE UPDATE ON public.orders FOR EACH ROW WHEN (((old.created_by_task IS NOT NULL) AND (old.created_by_task IS DISTINCT FROM current_setting('bulkcast.task'::text, true)))) EXECUTE FUNCTION forget_creator();

CREATE TRIGGER forget_creator BEFORE UPDATE ON public.products FOR EACH ROW WHEN (((old.created_by_task IS NOT NULL) AND (old.created_by_task IS DISTINCT FROM current_setting('bulkcast.task'::text, true)))) EXECUTE FUNCTION forget_creator();

CREATE TRIGGER forget_creator BEFORE UPDATE ON public.skus FOR EACH ROW WHEN (((old.created_by_task IS NOT NULL) AND (old.created_by_task IS DISTINCT FROM current_setting('bulkcast.task'::text, true)))) EXECUTE FUNCTION forget_creator();

CREATE TRIGGER guard_chunk BEFORE UPDATE ON public.chunks FOR EACH ROW EXECUTE FUNCTION guard_chunk();

CREATE TRIGGER guard_task BEFORE UPDATE ON public.tasks FOR EACH ROW EXECUTE FUNCTION guard_task();

CREATE TRIGGER keep_items_of_end AFTER UPDATE ON public.tasks FOR EACH ROW WHEN (((old.completed_at IS NULL) AND (new.completed_at IS NOT NULL))) EXECUTE FUNCTION keep_items();

CREATE TRIGGER keep_items_of_start AFTER INSERT ON public.tasks FOR EACH ROW WHEN ((new.completed_at IS NOT NULL)) EXECUTE FUNCTION keep_items();

CREATE TRIGGER note_task_start AFTER INSERT ON public.tasks FOR EACH ROW EXECUTE FUNCTION note_task_event();

CREATE TRIGGER note_task_state AFTER UPDATE ON public.tasks FOR EACH ROW WHEN ((old.state <> new.state)) EXECUTE FUNCTION note_task_event();
