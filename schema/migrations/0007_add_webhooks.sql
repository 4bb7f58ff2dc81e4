-- Webhooks: where a project wants to be told of its tasks, what it was told, and how each attempt went.

create table webhook_endpoints (
  id uuid primary key,
  project_id uuid not null references projects on delete cascade,
  url text not null check (length(url) between 1 and 2000),
  events text[] not null check (cardinality(events) > 0),
  description text check (length(description) <= 1000),
  -- Sealed with a key that only the processes have, not the database.
  secret bytea not null,
  -- Signs too until then.
  previous_secret bytea,
  previous_secret_until timestamptz(3),
  created_at timestamptz(3) not null default clock_timestamp(),
  updated_at timestamptz(3) not null default clock_timestamp(),
  -- Attempts that failed since the last that succeeded, and when the first of them did.
  failures integer not null default 0,
  failing_since timestamptz(3),
  -- Slowed down: nothing is sent before.
  paused_until timestamptz(3),
  disabled_at timestamptz(3),
  disabled_reason text check (disabled_reason in ('REQUESTED', 'GONE', 'FAILING')),
  check ((previous_secret is null) = (previous_secret_until is null)),
  check ((failures = 0) = (failing_since is null)),
  check ((disabled_at is null) = (disabled_reason is null))
);
create index webhook_endpoints_project on webhook_endpoints (project_id, created_at);

create table webhook_deliveries (
  id uuid primary key default gen_random_uuid(),
  endpoint_id uuid not null references webhook_endpoints on delete cascade,
  -- No reference: what was told may be kept longer than the task.
  task_id text collate "C",
  version integer,
  type text not null,
  body text not null,
  state text not null default 'PENDING' check (state in ('PENDING', 'SUCCEEDED', 'FAILED')),
  attempts integer not null default 0,
  created_at timestamptz(3) not null default clock_timestamp(),
  -- No attempt is planned after that.
  expires_at timestamptz(3) not null default clock_timestamp() + interval '1 day',
  next_attempt_at timestamptz(3) default clock_timestamp(),
  completed_at timestamptz(3),
  check ((state = 'PENDING') = (completed_at is null)),
  check ((state = 'PENDING') = (next_attempt_at is not null))
);
create index webhook_deliveries_endpoint on webhook_deliveries (endpoint_id, created_at, id);
create index webhook_deliveries_pending on webhook_deliveries (endpoint_id) where state = 'PENDING';
create index webhook_deliveries_completed on webhook_deliveries (completed_at) where completed_at is not null;

create table webhook_attempts (
  delivery_id uuid not null references webhook_deliveries on delete cascade,
  number integer not null,
  at timestamptz(3) not null default clock_timestamp(),
  -- Null when no answer came.
  status integer,
  duration_ms integer not null,
  -- Its beginning.
  answer text check (length(answer) <= 1000),
  -- Null when the receiver took it.
  error text,
  primary key (delivery_id, number)
);
