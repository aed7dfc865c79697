-- When a shop's lists were last read from beginning to end, by kind, and until when somebody is reading one now.
create table sweep(
  shop_id       integer not null,
  kind          text    not null,
  swept_at      integer,
  claimed_until integer not null,
  primary key (shop_id, kind)
) without rowid;

-- A product as the list last showed it: where a list says less than the product's own page, it differs for ever.
alter table mirror add column listed_version text;
