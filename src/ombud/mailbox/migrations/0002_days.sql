-- Rows stand by the day on which they were placed, so that a day can be dropped whole: retention scans nothing.
-- An event, its deliveries and their tries always share a day. Only `day` says which days there are; new rows go to the
-- newest of them, so a clock that jumps finds a place for them too. Within a day keys grow with time: led by the shop,
-- each row of a commit would dirty a page of its own (docs/decisions/0009).

create table day(day bigint not null primary key);

-- Housekeeping that one process at a time does: until when it is somebody's.
create table chore(
  name  text   not null primary key,
  until bigint not null
);

-- The latest time that a performer has seen: a clock that was set back goes on from here.
create table clock(seen bigint not null);
insert into clock(seen) values (0);

alter table event rename to event_before;
alter table delivery rename to delivery_before;
alter table attempt rename to attempt_before;
drop index event_latest;
drop index delivery_due;
drop index lane_wake;

-- sqlite:
create table event(
  day        integer not null,
  shop_id    integer not null,
  id         integer not null,
  box        integer not null,
  type       text    not null,
  subject    text    not null,
  data       text,
  created_at integer not null,
  fan_out    integer not null,
  primary key (day, id)
) without rowid;

-- `open_since`: when it was first tried, on its lane's open clock, which stands still while the lane is closed.
create table delivery(
  day        integer not null,
  shop_id    integer not null,
  event_id   integer not null,
  lane_id    integer not null,
  subject    text    not null,
  state      integer not null default 0,
  rank       integer not null default 0,
  due_at     integer not null,
  attempts   integer not null default 0,
  generation integer not null default 0,
  open_since integer,
  reason     text,
  primary key (day, event_id, lane_id)
) without rowid;

create table attempt(
  day          integer not null,
  shop_id      integer not null,
  event_id     integer not null,
  lane_id      integer not null,
  id           integer not null,
  generation   integer not null,
  at           integer not null,
  milliseconds integer not null,
  status       integer,
  outcome      text    not null,
  reason       text,
  late         integer not null default 0,
  primary key (day, event_id, lane_id, id)
) without rowid;

insert into event(day, shop_id, id, box, type, subject, data, created_at, fan_out)
select created_at / 86400000000, shop_id, id, box, type, subject, data, created_at, fan_out from event_before;
insert into delivery(day, shop_id, event_id, lane_id, subject, state, rank, due_at, attempts, generation, open_since, reason)
select coalesce(b.created_at, d.due_at) / 86400000000, d.shop_id, d.event_id, d.lane_id, d.subject, d.state, d.rank,
  d.due_at, d.attempts, d.generation, case when d.attempts > 0 then coalesce(b.created_at, d.due_at) end, d.reason
from delivery_before d left join event_before b on b.shop_id = d.shop_id and b.id = d.event_id;
insert into attempt(day, shop_id, event_id, lane_id, id, generation, at, milliseconds, status, outcome, reason, late)
select coalesce(b.created_at, a.at) / 86400000000, a.shop_id, a.event_id, a.lane_id, a.id, a.generation, a.at,
  a.milliseconds, a.status, a.outcome, a.reason, a.late
from attempt_before a left join event_before b on b.shop_id = a.shop_id and b.id = a.event_id;
insert into day(day) select day from event union select day from delivery union select day from attempt;
-- end

-- postgres:
create table event(
  day        bigint not null,
  shop_id    bigint not null,
  id         bigint not null,
  box        bigint not null,
  type       text   not null,
  subject    text   not null,
  data       text,
  created_at bigint not null,
  fan_out    bigint not null,
  primary key (day, id)
) partition by list (day);

-- Half of each page is left free at first, so that a new version of a row fits beside the old one.
create table delivery(
  day        bigint not null,
  shop_id    bigint not null,
  event_id   bigint not null,
  lane_id    bigint not null,
  subject    text   not null,
  state      bigint not null default 0,
  rank       bigint not null default 0,
  due_at     bigint not null,
  attempts   bigint not null default 0,
  generation bigint not null default 0,
  open_since bigint,
  reason     text,
  primary key (day, event_id, lane_id)
) partition by list (day);

create table attempt(
  day          bigint not null,
  shop_id      bigint not null,
  event_id     bigint not null,
  lane_id      bigint not null,
  id           bigint not null,
  generation   bigint not null,
  at           bigint not null,
  milliseconds bigint not null,
  status       bigint,
  outcome      text   not null,
  reason       text,
  late         bigint not null default 0,
  primary key (day, event_id, lane_id, id)
) partition by list (day);

alter table lane set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_cost_delay = 0);

create function open_day(opened bigint) returns void language plpgsql as $$
begin
  execute format('create table if not exists event_%s partition of event for values in (%s)', opened, opened);
  execute format('create table if not exists delivery_%s partition of delivery for values in (%s)
    with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0)', opened, opened);
  execute format('create table if not exists attempt_%s partition of attempt for values in (%s)', opened, opened);
end $$;

-- A lock that cannot be had soon is not waited for: everybody else would queue behind it.
create function lock_day(locked bigint) returns void language plpgsql set lock_timeout = '200ms' as $$
begin
  lock table event, delivery, attempt in access exclusive mode;
end $$;

create function drop_day(dropped bigint) returns void language plpgsql as $$
begin
  execute format('drop table attempt_%s, delivery_%s, event_%s', dropped, dropped, dropped);
  delete from day where day = dropped;
end $$;
-- end

drop table event_before;
drop table delivery_before;
drop table attempt_before;

create index event_latest on event(box, id);

-- The only index on columns that change; it holds pending work alone.
create index delivery_due on delivery(lane_id, rank, due_at, event_id) where state = 0;
-- What has failed outlives its day.
create index delivery_dead on delivery(day, event_id) where state = 2;

create index event_key_event on event_key(event_id);

-- `closed_at`: since when the destination fails as a whole. `closed_time`: microseconds that it was closed before: a
-- delivery's time does not run then. `probes`: tries since it closed. `failed_subjects`: the last few different ones.
-- `started_*`: in careful mode, what was about to start. `given_up_at`: nothing is tried any more.
alter table lane add column closed_at integer;
alter table lane add column closed_time integer not null default 0;
alter table lane add column probes integer not null default 0;
alter table lane add column failed_subjects text not null default '';
alter table lane add column warned integer not null default 0;
alter table lane add column given_up_at integer;

alter table lane add column started_event_id integer;
alter table lane add column rested_at integer not null default 0;

create index lane_wake on lane(box, wake_at) where wake_at < 4611686018427387904;
create index lane_closed on lane(closed_at) where closed_at is not null;
