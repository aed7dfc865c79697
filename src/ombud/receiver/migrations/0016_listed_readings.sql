-- Whether the look was one at a page of the shop's list of products.
alter table reading add column listed integer not null default 0;
