-- Where a shop's webhooks come from: addresses that were learned, and addresses or ranges that a person allowed. `known` 0:
-- it came when the shop's own were known already. The times are of its first and, to within minutes, its last request.
create table inbox_source(
  shop_id  integer not null,
  address  text    not null,
  known    integer not null,
  first_at integer not null,
  last_at  integer,
  primary key (shop_id, address)
) without rowid;
