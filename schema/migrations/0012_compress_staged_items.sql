-- Staged items travel and lie compressed: half of what an import in JSON has Postgres write is these, and a tenth is enough of it.
-- Those of older tasks stay as they are, the JSON text in UTF-8.
alter table chunks alter column items type bytea using convert_to(items, 'UTF8');
alter table chunks alter column items set storage external;
