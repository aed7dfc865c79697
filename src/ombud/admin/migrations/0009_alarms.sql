-- What is wrong, told to people (docs/decisions/0045). Times are UTC microseconds.

-- Where somebody is told: an address or a URL. `shop_id`: of which shop's troubles, 0 for every one. `causes`: which, with
-- commas. `quiet_from`, `quiet_until`: minutes of the day in `zone` between which nothing is sent. `next_at`: nothing is sent
-- before; `claimed_until`: somebody is sending. `failures` in a row since `failed_at`, and why the last.
create table alarm_channel(
  id            integer not null primary key,
  shop_id       integer not null,
  kind          text    not null,
  target        text    not null,
  name          text    not null,
  causes        text    not null,
  language      text    not null,
  zone          text    not null,
  quiet_from    integer,
  quiet_until   integer,
  enabled       integer not null,
  created_at    integer not null,
  updated_at    integer not null,
  next_at       integer not null default 0,
  claimed_until integer not null default 0,
  sent_at       integer,
  tested_at     integer not null default 0,
  failures      integer not null default 0,
  failed_at     integer,
  reason        text
);

create index alarm_channel_shop on alarm_channel(shop_id, id);

-- A trouble, from its first sight (`seen_at`) to its end. `began_at`: since when it is an alarm; null while it may be nothing.
-- `missed_at`: since when nothing is seen of it.
create table alarm(
  id        integer not null primary key,
  cause     text    not null,
  about     text    not null,
  shop_id   integer not null,
  since     integer not null,
  facts     text    not null,
  seen_at   integer not null,
  began_at  integer,
  missed_at integer,
  ended_at  integer
);

-- One message for a cause: there is one row while it lasts, however many processes look.
create unique index alarm_open on alarm(cause, about) where ended_at is null;
create index alarm_present on alarm(id) where ended_at is null;
create index alarm_ended on alarm(ended_at) where ended_at is not null;

-- What a channel has not told yet: written with what it is about, deleted when it was sent.
create table alarm_message(
  channel_id integer not null,
  alarm_id   integer not null,
  phase      text    not null,
  created_at integer not null,
  primary key (channel_id, alarm_id, phase)
) without rowid;

-- Deliveries that are dead, each written in the transaction in which it dies; never changed, so that no two wait for each
-- other. Counted by the hour soon after.
create table dead_letter(
  event_id    integer not null,
  endpoint_id integer not null,
  shop_id     integer not null,
  at          integer not null,
  primary key (event_id, endpoint_id, at)
) without rowid;

create table dead_letter_hours(
  endpoint_id integer not null,
  since       integer not null,
  shop_id     integer not null,
  amount      integer not null,
  first_at    integer not null,
  primary key (endpoint_id, since)
) without rowid;

create index dead_letter_hours_since on dead_letter_hours(since);
