-- What a person may set for a shop: null is the setting of the inbox. `paused_at`: nothing is read or called for it.
alter table inbox_shop add column reads_per_second double precision;
alter table inbox_shop add column paused_at integer;
-- When each of its tokens was last used, to within some minutes: who rotates wants to know whether the old one still is.
alter table inbox_shop add column token_used_at integer;
alter table inbox_shop add column previous_token_used_at integer;
