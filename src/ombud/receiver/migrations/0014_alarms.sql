-- Since when a shop's API refuses its key; null: it takes it, as far as anybody knows.
alter table inbox_shop add column key_refused_at integer;

create index inbox_shop_refused on inbox_shop(id) where key_refused_at is not null;

-- What was given up, by shop, handler (0: reads) and hour. `first_at`: the first of them.
create table inbox_dead(
  shop_id    integer not null,
  handler_id integer not null,
  since      integer not null,
  amount     integer not null,
  first_at   integer not null,
  primary key (shop_id, handler_id, since)
) without rowid;

create index inbox_dead_since on inbox_dead(since);

-- What only a list has told is rare, and looked for every few minutes.
create index meter_found on meter(shop_id, since) where what = 'told order reconcile';
