-- The records that async actions work on besides single vouchers: campaigns, customers, products, SKUs and orders, with the
-- metadata schemas that guard them, and the report rows of bulk updates.

-- What a bulk update did to each item: [key, found, updated], in row order. Null for operations without a report.
alter table chunks add column report json;

-- A resource is a kind of record (voucher, campaign, …) or the name of an object type that other schemas refer to.
-- Definitions are json, not jsonb: they stay in the order in which they were written, and so do reasons.
create table metadata_schemas (
  id text collate "C" primary key,
  project_id uuid not null references projects,
  resource text collate "C" not null check (length(resource) between 1 and 100),
  definitions json not null,
  allow_defined_only boolean not null default false,
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3),
  unique (project_id, resource)
);

-- A deleted campaign stays in the bin (deleted_at): its name, and the codes of its vouchers, stay taken.
create table campaigns (
  id text collate "C" primary key,
  project_id uuid not null references projects,
  name text collate "C" not null check (length(name) between 1 and 255),
  campaign_type text not null check (campaign_type in ('DISCOUNT_COUPONS', 'GIFT_VOUCHERS', 'LOYALTY_PROGRAM', 'REFERRAL_PROGRAM')),
  type text not null check (type in ('AUTO_UPDATE', 'STATIC', 'STANDALONE')),
  voucher jsonb not null,
  description text,
  category text,
  start_date timestamptz(3),
  expiration_date timestamptz(3),
  validity_timeframe jsonb,
  validity_day_of_week smallint[],
  validity_hours jsonb,
  activity_duration_after_publishing text,
  access_settings jsonb,
  active boolean not null default true,
  auto_join boolean not null default false,
  join_once boolean not null default false,
  use_voucher_metadata_schema boolean not null default false,
  metadata jsonb not null default '{}',
  creation_status text not null check (creation_status in ('DONE', 'IN_PROGRESS', 'FAILED', 'DRAFT', 'MODIFYING')),
  vouchers_generation_status text not null
    check (vouchers_generation_status in ('DONE', 'IN_PROGRESS', 'FAILED', 'DRAFT', 'MODIFYING')),
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3),
  deleted_at timestamptz(3),
  unique (project_id, name)
);

alter table vouchers
  add column campaign_id text collate "C" references campaigns,
  add column loyalty_points bigint check (loyalty_points >= 0),
  add column published_at timestamptz(3),
  add column deleted_at timestamptz(3),
  add check ((type = 'LOYALTY_CARD') = (loyalty_points is not null)),
  add check (type <> 'LOYALTY_CARD' or campaign_id is not null);
create index vouchers_campaign on vouchers (campaign_id, id) where campaign_id is not null;
create index vouchers_created on vouchers (project_id, created_at desc, id desc);

create table customers (
  id text collate "C" primary key,
  project_id uuid not null references projects,
  source_id text collate "C",
  name text,
  description text,
  email text,
  phone text,
  birthdate text,
  address jsonb,
  metadata jsonb,
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3),
  unique (project_id, source_id)
);
-- For the list, newest first, and for walking over all of them: ids begin with the time.
create index customers_project on customers (project_id, id);

create table products (
  id text collate "C" primary key,
  project_id uuid not null references projects,
  source_id text collate "C",
  name text,
  price bigint,
  attributes jsonb not null default '[]',
  image_url text,
  metadata jsonb not null default '{}',
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3),
  unique (project_id, source_id)
);
-- For the list, newest first, and for walking over all of them: ids begin with the time.
create index products_project on products (project_id, id);

create table skus (
  id text collate "C" primary key,
  project_id uuid not null references projects,
  product_id text collate "C" not null references products on delete cascade,
  source_id text collate "C",
  sku text,
  price bigint,
  currency text,
  attributes jsonb not null default '{}',
  image_url text,
  metadata jsonb not null default '{}',
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3),
  unique (project_id, source_id)
);
create index skus_product on skus (product_id, id);

create table orders (
  id text collate "C" primary key,
  project_id uuid not null references projects,
  source_id text collate "C",
  status text not null check (status in ('CREATED', 'PAID', 'CANCELED', 'FULFILLED')),
  amount bigint,
  initial_amount bigint,
  discount_amount bigint,
  items jsonb not null default '[]',
  metadata jsonb not null default '{}',
  customer_id text collate "C" references customers on delete set null,
  referrer_id text collate "C" references customers on delete set null,
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3),
  unique (project_id, source_id)
);
-- For the list, newest first, and for walking over all of them: ids begin with the time.
create index orders_project on orders (project_id, id);
create index orders_customer on orders (customer_id) where customer_id is not null;
create index orders_referrer on orders (referrer_id) where referrer_id is not null;
