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
