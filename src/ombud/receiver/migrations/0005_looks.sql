-- An order's state at the last look, and since when the shop's API shows an earlier one: an old copy, until a second look.
alter table mirror add column status integer;
alter table mirror add column doubted_at integer;
