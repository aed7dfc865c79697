-- The pretend shop. Times are UTC in integer microseconds, money is decimal text. Keys are led by shop_id.
-- Ids are small numbers, as the vendor's are: people read them aloud.

-- How a shop's API is entered. `key_hash`: SHA-256 of KEY:KEY, in hexadecimal.
create table shop_account(
  shop_id  integer not null primary key,
  key_hash text    not null
);

-- The last id that was given out, by kind of thing; it only grows, so an id is never given out again.
create table shop_sequence(
  shop_id integer not null,
  kind    text    not null,
  last    integer not null,
  primary key (shop_id, kind)
);

-- status: -1 unpaid, 0 cancelled, 1 paid, 2 done. `search`: what a search looks through, in lower case.
-- `document`: the rest, as the API shows it.
create table shop_order(
  shop_id      integer not null,
  id           integer not null,
  status       integer not null,
  total_amount text    not null,
  created_at   integer not null,
  paid_at      integer,
  status_at    integer not null,
  search       text    not null,
  document     text    not null,
  primary key (shop_id, id)
);

create table shop_product(
  shop_id    integer not null,
  id         integer not null,
  sku        text    not null,
  changed_at integer not null,
  search     text    not null,
  document   text    not null,
  primary key (shop_id, id)
);

create index shop_product_sku on shop_product(shop_id, sku);

-- Which product a variant belongs to; the variants themselves are in the product's document.
create table shop_variant(
  shop_id    integer not null,
  id         integer not null,
  product_id integer not null,
  sku        text    not null,
  primary key (shop_id, id)
);

create index shop_variant_product on shop_variant(shop_id, product_id);
create index shop_variant_sku on shop_variant(shop_id, sku);
