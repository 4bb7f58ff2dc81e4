-- Which chunks are in the job queue, so that projects share the workers by turn, and what a task's priority in its project is.

alter table tasks add column priority smallint not null default 0 check (priority between -1 and 1);
create index tasks_in_line on tasks (project_id, priority desc, created_at, id) where completed_at is null;
create index chunks_left on chunks (task_id, number) where applied_at is null;

-- A chunk whose job is in the queue or in hand. Jobs run in the order of their turns (start-time fair queueing): a project's turns
-- follow each other, and a project that comes new begins where the others stand.
create table turns (
  task_id text collate "C" not null references tasks on delete cascade,
  chunk integer not null,
  project_id uuid not null,
  turn bigint not null,
  primary key (task_id, chunk)
);
create index turns_project on turns (project_id);

-- Who last paused, resumed or canceled a task, and why; whose failures it tries again; how fast it was lately: items and seconds,
-- each fading with time.
alter table tasks
  add column started_by text,
  add column changed_by text,
  add column change_reason text check (length(change_reason) <= 1000),
  add column parent_id text collate "C" references tasks on delete set null,
  add column rate_items double precision not null default 0,
  add column rate_seconds double precision not null default 0,
  add column rate_at timestamptz(3);
create index tasks_parent on tasks (parent_id) where parent_id is not null;

-- Every state that a task entered, and who asked for it; null: its own progress.
create table task_events (
  task_id text collate "C" not null references tasks on delete cascade,
  version integer not null,
  state text not null,
  at timestamptz(3) not null,
  actor text,
  reason text,
  primary key (task_id, version)
);

create function note_task_event() returns trigger language plpgsql as $$
declare
  is_asked boolean := tg_op = 'UPDATE' and (new.state in ('PAUSED', 'CANCELING') or old.state = 'PAUSED' and new.state in ('QUEUED', 'RUNNING'));
begin
  insert into task_events (task_id, version, state, at, actor, reason)
  values (
    new.id, new.version, new.state, new.updated_at,
    case when tg_op = 'INSERT' then new.started_by when is_asked then new.changed_by end,
    case when is_asked then new.change_reason end
  );
  return null;
end $$;
create trigger note_task_start after insert on tasks for each row execute function note_task_event();
create trigger note_task_state after update on tasks for each row when (old.state <> new.state) execute function note_task_event();
