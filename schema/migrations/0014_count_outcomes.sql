-- The report of each chunk of a dry run has the outcomes of all items so far, not only of those that would make a record.
with told as (
  select task_id, number,
    count(*) filter (where outcome = 'CREATED') as created, count(*) filter (where outcome = 'UPDATED') as updated,
    count(*) filter (where outcome = 'SKIPPED') as skipped, count(*) filter (where outcome = 'FAILED') as failed
  from tasks join chunks on task_id = id, json_array_elements(report->'rows') as item, lateral (select item->>1 as outcome) as one
  where kind = 'DRY_RUN' and report is not null
  group by task_id, number
), so_far as (
  select task_id, number, json_build_object(
    'CREATED', sum(created) over earlier, 'UPDATED', sum(updated) over earlier,
    'SKIPPED', sum(skipped) over earlier, 'FAILED', sum(failed) over earlier
  ) as counts
  from told window earlier as (partition by task_id order by number)
)
update chunks set report = json_build_object('counts', so_far.counts, 'rows', report->'rows')
from so_far where so_far.task_id = chunks.task_id and so_far.number = chunks.number;
