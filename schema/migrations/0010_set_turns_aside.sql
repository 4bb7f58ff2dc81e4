-- A chunk that waits to be tried again takes no place from the other chunks of its project in the job queue.
alter table turns add column set_aside boolean not null default false;
