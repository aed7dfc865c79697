-- What each machine of several asks of an API with one key: they divide its budget among them. `name` is a hash.
create table budget_share(
  name         text    not null,
  node         text    not null,
  demand       integer not null,
  paused_until integer not null,
  seen_at      integer not null,
  primary key (name, node)
) without rowid;
