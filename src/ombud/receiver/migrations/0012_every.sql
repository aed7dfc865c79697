-- Since when a handler has a run for each webhook; null: it has one for each change.
alter table handler add column every_at integer;

-- Which webhooks it has been told of.
create table every_arrival(
  shop_id    integer not null,
  handler_id integer not null,
  event_id   integer not null,
  primary key (shop_id, handler_id, event_id)
) without rowid;
