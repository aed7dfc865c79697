-- How an endpoint does as a whole. `closed_since`: since when every try fails; `warned_day`: the last day of it that was said.
-- `gone_at`: when it first answered 410, with no success since. `disabled_*`: when and why, by whom or by itself.
alter table endpoint add column closed_since integer;
alter table endpoint add column warned_day integer not null default 0;
alter table endpoint add column gone_at integer;
alter table endpoint add column disabled_at integer;
alter table endpoint add column disabled_reason text;

create index endpoint_closed on endpoint(closed_since) where closed_since is not null;

-- Events from before an endpoint was there that it is to hear of: those from `next_id` on and before `until_id` are not
-- written for it yet.
create table backfill(
  endpoint_id integer not null primary key,
  next_id     integer not null,
  until_id    integer not null
);
