-- What kind of run a task is, what a dry run remembers from chunk to chunk, and which task made a record, so that it can be undone.

alter table tasks add column kind text not null default 'RUN' check (kind in ('RUN', 'DRY_RUN', 'UNDO'));

-- The records that more than one item of a dry run names, as its chunks so far would have left them; null: none did anything to it.
create table dry_run_records (
  task_id text collate "C" not null references tasks on delete cascade,
  name text collate "C" not null,
  record jsonb,
  primary key (task_id, name)
);

-- The task that made a record and since whose work nobody else has changed it. A worker tells its transaction which task it works for;
-- all others leave it empty.
alter table vouchers add column created_by_task text collate "C" default nullif(current_setting('bulkcast.task', true), '');
alter table customers add column created_by_task text collate "C" default nullif(current_setting('bulkcast.task', true), '');
alter table products add column created_by_task text collate "C" default nullif(current_setting('bulkcast.task', true), '');
alter table skus add column created_by_task text collate "C" default nullif(current_setting('bulkcast.task', true), '');
alter table orders add column created_by_task text collate "C" default nullif(current_setting('bulkcast.task', true), '');

create function forget_creator() returns trigger language plpgsql as $$
begin
  new.created_by_task := null;
  return new;
end $$;

create trigger forget_creator before update on vouchers for each row
  when (old.created_by_task is not null and old.created_by_task is distinct from current_setting('bulkcast.task', true))
  execute function forget_creator();
create trigger forget_creator before update on customers for each row
  when (old.created_by_task is not null and old.created_by_task is distinct from current_setting('bulkcast.task', true))
  execute function forget_creator();
create trigger forget_creator before update on products for each row
  when (old.created_by_task is not null and old.created_by_task is distinct from current_setting('bulkcast.task', true))
  execute function forget_creator();
create trigger forget_creator before update on skus for each row
  when (old.created_by_task is not null and old.created_by_task is distinct from current_setting('bulkcast.task', true))
  execute function forget_creator();
create trigger forget_creator before update on orders for each row
  when (old.created_by_task is not null and old.created_by_task is distinct from current_setting('bulkcast.task', true))
  execute function forget_creator();
