-- Where a shop's events go. Shop 0 stands for every shop. Deleting is soft: its deliveries stay to be read.
create table endpoint(
  shop_id     integer not null,
  id          integer not null,
  lane_id     integer not null,
  url         text    not null,
  description text    not null,
  enabled     integer not null,
  created_at  integer not null,
  updated_at  integer not null,
  deleted_at  integer,
  primary key (shop_id, id)
) without rowid;

create unique index endpoint_id on endpoint(id);

-- Which event types an endpoint wants.
create table subscription(
  shop_id     integer not null,
  event_type  text    not null,
  endpoint_id integer not null,
  primary key (shop_id, event_type, endpoint_id)
) without rowid;

create index subscription_endpoint on subscription(endpoint_id);
