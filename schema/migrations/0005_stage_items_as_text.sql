-- Staged items are written and read whole, by this service alone: as text, Postgres does not parse each of them on its way in.
alter table chunks alter column items type text;
alter table chunks alter column items set storage external;
