-- The timeline tells the reason of a start too, which the next pause or cancel overwrites on the task.
create or replace function note_task_event() returns trigger language plpgsql as $$
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
end $$;
