-- A merchant can be disabled, as a key pair can be revoked: the sign-in is refused from then on, and the tokens end.
alter table merchants add column disabled_at timestamptz(3);
