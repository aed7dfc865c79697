-- What was written to a shop's product by us, and which handlers need not hear of it when the product is read so.
create table own_write(
  shop_id    integer not null,
  id         integer not null,
  subject    text    not null,
  fields     text    not null,
  silent     text    not null,
  written_at integer not null,
  primary key (shop_id, id)
) without rowid;

create index own_write_subject on own_write(shop_id, subject, id);
