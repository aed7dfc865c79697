-- Categories, and what programs write beside an order or a product.

-- parent_id 0: at the top.
create table shop_category(
  shop_id   integer not null,
  id        integer not null,
  parent_id integer not null,
  name      text    not null,
  primary key (shop_id, id)
);

-- kind: order or product; owner_id: which of them.
create table shop_metadata(
  shop_id  integer not null,
  kind     text    not null,
  owner_id integer not null,
  name     text    not null,
  value    text    not null,
  primary key (shop_id, kind, owner_id, name)
);
