-- Projects and their credentials, tasks with their chunks and failures, and the first domain tables: gift cards and vouchers.

create table projects (
  id uuid primary key default gen_random_uuid(),
  name text not null check (length(name) between 1 and 200),
  created_at timestamptz(3) not null default now()
);

-- A token is 32 random bytes, so a plain SHA-256 of it is safe to store.
create table api_keys (
  app_id text primary key check (length(app_id) between 1 and 200),
  project_id uuid not null references projects,
  token_hash bytea not null check (length(token_hash) = 32),
  created_at timestamptz(3) not null default now(),
  revoked_at timestamptz(3)
);

-- A merchant signs in with a password chosen by a person, so its hash is a slow one (scrypt).
create table merchants (
  username text primary key check (length(username) between 1 and 200),
  project_id uuid not null references projects,
  password_hash text not null,
  created_at timestamptz(3) not null default now()
);

create table gift_card_programs (
  id text collate "C" primary key check (id ~ '^[0-9a-f]{24}$'),
  project_id uuid not null references projects,
  name text not null check (length(name) between 1 and 200),
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  created_at timestamptz(3) not null default now()
);
create index gift_card_programs_project on gift_card_programs (project_id, id);

create table tasks (
  id text collate "C" primary key,
  project_id uuid not null references projects,
  model text not null check (model in ('BULK_ISSUANCE', 'ASYNC_ACTION')),
  operation text not null,
  parameters jsonb not null,
  state text not null check (state in ('QUEUED', 'RUNNING', 'PAUSED', 'CANCELING', 'SUCCEEDED', 'FAILED', 'CANCELED')),
  version integer not null default 1 check (version >= 1),
  total integer not null check (total >= 0),
  processed integer not null default 0,
  succeeded integer not null default 0 check (succeeded >= 0),
  failed integer not null default 0 check (failed >= 0),
  error text,
  request_id text not null,
  created_at timestamptz(3) not null,
  started_at timestamptz(3),
  updated_at timestamptz(3) not null,
  completed_at timestamptz(3),
  check (processed = succeeded + failed),
  check (processed <= total),
  check (state <> 'SUCCEEDED' or processed = total),
  check ((state in ('SUCCEEDED', 'FAILED', 'CANCELED')) = (completed_at is not null)),
  check (state = 'FAILED' or error is null),
  check (updated_at >= created_at)
);
create index tasks_project_created on tasks (project_id, created_at desc, id desc);
create index tasks_project_updated on tasks (project_id, updated_at);
create index tasks_unfinished on tasks (state, operation) where completed_at is null;

-- What no CHECK can say, for it compares with the row before: transitions are legal, a final state is the end, the version
-- grows with every change, counters never fall, and what a task is never changes.
create function guard_task() returns trigger language plpgsql as $$
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
end $$;
create trigger guard_task before update on tasks for each row execute function guard_task();

-- A chunk is a slice of a task's items: staged with the task, applied once. The row is also the ledger: whoever sets
-- applied_at holds its lock, and nobody can set it twice. items is null where the operation makes its own.
create table chunks (
  task_id text collate "C" not null references tasks on delete cascade deferrable initially deferred,
  number integer not null check (number >= 0),
  first_row integer not null check (first_row >= 1),
  size integer not null check (size >= 1),
  items json,
  applied_at timestamptz(3),
  primary key (task_id, number)
);

-- Items are written once and read once or twice: compressing them costs more than it saves.
alter table chunks alter column items set storage external;

create function guard_chunk() returns trigger language plpgsql as $$
begin
  if old.applied_at is not null and new.applied_at is distinct from old.applied_at then
    raise exception 'chunk % of task % is applied already', old.number, old.task_id using errcode = 'check_violation';
  end if;
  return new;
end $$;
create trigger guard_chunk before update on chunks for each row execute function guard_chunk();

create table failures (
  task_id text collate "C" not null references tasks on delete cascade,
  row_number integer not null check (row_number >= 1),
  key text,
  code text not null,
  message text not null,
  primary key (task_id, row_number)
);

create table idempotency_keys (
  project_id uuid not null references projects,
  operation text not null,
  key text not null check (length(key) between 1 and 255),
  fingerprint bytea not null check (length(fingerprint) = 32),
  task_id text collate "C" not null references tasks on delete cascade,
  created_at timestamptz(3) not null default now(),
  primary key (project_id, operation, key)
);

-- A card's id is the task's card_prefix (18 hex digits) and its row in the task (6): the cards of a task are one range of the
-- primary key, in order, without an index of their own. Project and program are checked once, at the start of the task: neither
-- is ever deleted, so no foreign key has to fire once a card.
create table gift_cards (
  id text collate "C" primary key check (length(id) = 24),
  project_id uuid not null,
  program_id text collate "C" not null,
  card_number text collate "C" not null check (length(card_number) = 16),
  initial_value numeric(12, 2) not null check (initial_value > 0),
  balance numeric(12, 2) not null check (balance between 0 and initial_value),
  currency text not null,
  is_physical boolean not null,
  design_template text,
  expires_at timestamptz(3) not null,
  customer_email text,
  customer_phone text,
  customer_name text,
  sender_name text,
  custom_message text,
  created_at timestamptz(3) not null default now(),
  unique (project_id, card_number)
);

-- As of gift cards: whoever writes vouchers is of a project that is there, and no foreign key has to fire once a voucher.
create table vouchers (
  id text collate "C" primary key,
  project_id uuid not null,
  code text collate "C" not null check (length(code) between 1 and 255),
  type text not null check (type in ('DISCOUNT_VOUCHER', 'GIFT_VOUCHER', 'LOYALTY_CARD')),
  discount jsonb,
  gift_amount bigint check (gift_amount >= 0),
  gift_effect text,
  redeemed_amount bigint not null default 0 check (redeemed_amount >= 0),
  category text,
  start_date timestamptz(3),
  expiration_date timestamptz(3),
  validity_timeframe jsonb,
  validity_day_of_week smallint[],
  redemption_quantity integer check (redemption_quantity >= 0),
  redeemed_quantity integer not null default 0 check (redeemed_quantity >= 0),
  active boolean not null default true,
  additional_info text,
  metadata jsonb not null default '{}',
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3),
  unique (project_id, code),
  check ((type = 'DISCOUNT_VOUCHER') = (discount is not null)),
  check ((type = 'GIFT_VOUCHER') = (gift_amount is not null)),
  check (redeemed_amount <= coalesce(gift_amount, 0))
);
