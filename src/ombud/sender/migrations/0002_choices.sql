-- What a merchant chooses for an endpoint beyond its URL and its event types.
-- `headers`: a JSON list of pairs. `authority`: PEM, the only one whose certificates hold. `retry`: a schedule by name,
-- '' for the installation's. `secret`, and until when the one before it is good as well.
-- `lanes`: among how many its deliveries are spread, fixed for its life.
alter table endpoint add column headers text not null default '[]';
alter table endpoint add column strict integer not null default 0;
alter table endpoint add column only_200 integer not null default 0;
alter table endpoint add column latest_only integer not null default 0;
alter table endpoint add column rate_per_minute integer;
alter table endpoint add column retry text not null default '';
alter table endpoint add column authority text;
alter table endpoint add column secret text;
alter table endpoint add column previous_secret text;
alter table endpoint add column previous_until integer;
alter table endpoint add column lanes integer not null default 1;
