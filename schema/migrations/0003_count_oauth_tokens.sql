-- The living OAuth tokens of each project, for it may have only so many. Whether one is valid, its signature and expiry say.

create table oauth_tokens (
  id bigint generated always as identity primary key,
  project_id uuid not null references projects,
  expires_at timestamptz(3) not null
);
create index oauth_tokens_project on oauth_tokens (project_id, expires_at);
