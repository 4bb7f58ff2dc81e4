-- What has ended expires in small batches. A task goes first and at once, for everybody; what it held follows, which is why chunks and
-- failures do not reference it: deleting a task of a million failures must not take one long statement.

alter table chunks drop constraint chunks_task_id_fkey;
alter table failures drop constraint failures_task_id_fkey;
-- Setting it null would change a task that has ended.
alter table tasks drop constraint tasks_parent_id_fkey;

create index tasks_ended on tasks (completed_at) where completed_at is not null;

-- The tasks that have ended and whose staged items are still there: those that can be tried again.
create table kept_items (
  task_id text collate "C" primary key references tasks on delete cascade,
  ended_at timestamptz(3) not null
);
create index kept_items_ended on kept_items (ended_at);

create function keep_items() returns trigger language plpgsql as $$
begin
  insert into kept_items (task_id, ended_at) values (new.id, new.completed_at);
  return null;
end $$;
create trigger keep_items_of_start after insert on tasks for each row when (new.completed_at is not null) execute function keep_items();
create trigger keep_items_of_end after update on tasks for each row when (old.completed_at is null and new.completed_at is not null)
  execute function keep_items();
insert into kept_items (task_id, ended_at) select id, completed_at from tasks where completed_at is not null;

-- The tasks whose staged items, or whose rows altogether (is_whole), are yet to be deleted. Nobody can see these any more.
create table leftovers (
  task_id text collate "C" primary key,
  is_whole boolean not null
);

-- Until when a repeated request finds the task of the first one. Those from before this rule have a week from now.
alter table idempotency_keys add column expires_at timestamptz(3) not null default now() + interval '7 days';
alter table idempotency_keys alter column expires_at drop default;
create index idempotency_keys_expires on idempotency_keys (expires_at);
create index idempotency_keys_task on idempotency_keys (task_id);

-- Whose round it is: one worker of all deletes at a time.
create table retention_rounds (
  is_only boolean primary key default true check (is_only),
  next_at timestamptz(3) not null default now()
);
insert into retention_rounds default values;

-- Lists are read group by group, each newest first: by model and kind, or where a filter names states or types by these too. So no list reads more
-- rows than it shows, times the groups, however many tasks there are.
create index tasks_by_kind on tasks (project_id, model, kind, created_at desc, id desc);
create index tasks_by_state on tasks (project_id, model, kind, operation, state, created_at desc, id desc);
drop index tasks_project_created;
