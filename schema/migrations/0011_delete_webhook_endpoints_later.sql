-- A deleted webhook endpoint is gone at once, for everybody; its rows follow in small batches: to delete a million deliveries in one
-- statement would keep tasks, which tell their endpoints of each state, from entering any.
alter table webhook_endpoints add column deleted_at timestamptz(3);
create index webhook_endpoints_deleted on webhook_endpoints (deleted_at) where deleted_at is not null;
