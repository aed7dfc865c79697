-- Sending many deliveries again: what was asked for (a filter, as it stands in an address), how far it has come, and the end.
create table resending(
  id         integer not null primary key,
  shop_id    integer not null,
  made_by    text    not null,
  made_at    integer not null,
  filter     text    not null,
  cursor     text    not null,
  sent       integer not null,
  seen_at    integer not null,
  ended_at   integer,
  cancelled  integer not null default 0
);
