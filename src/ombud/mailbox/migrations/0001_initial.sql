-- Times are UTC in integer microseconds. Ids are 63-bit and time-ordered (ids.py). Keys are led by shop_id.
-- 4611686018427387904 (2^62) stands for "never".

create table node(last integer not null);
insert into node(last) values (0);

-- A fact; never changes. `fan_out` counts the deliveries written with it, so that a missing row can be noticed.
create table event(
  shop_id    integer not null,
  id         integer not null,
  box        integer not null,
  type       text    not null,
  subject    text    not null,
  data       text,
  created_at integer not null,
  fan_out    integer not null,
  primary key (shop_id, id)
) without rowid;

create index event_latest on event(box, id);

-- The unit of ownership: a destination, or a share of its work.
-- `wake_at`: when someone must look: due work, or the end of a lease. `hold_until`: nobody looks earlier.
create table lane(
  id             integer primary key,
  box            integer not null,
  shop_id        integer not null,
  destination_id integer not null,
  slot           integer not null default 0,
  wake_at        integer not null default 4611686018427387904,
  hold_until     integer not null default 0,
  lease_token    integer,
  crashes        integer not null default 0,
  failures       integer not null default 0,
  window_size    integer not null default 1,
  unique (box, shop_id, destination_id, slot)
);

create index lane_wake on lane(box, wake_at) where wake_at < 4611686018427387904;

-- One event for one lane. The primary key is the promise: exactly one delivery per destination.
-- state: 0 pending, 1 done, 2 dead, 3 skipped. `generation` counts replays, `rank` puts them behind live work.
create table delivery(
  shop_id    integer not null,
  event_id   integer not null,
  lane_id    integer not null,
  subject    text    not null,
  state      integer not null default 0,
  rank       integer not null default 0,
  due_at     integer not null,
  attempts   integer not null default 0,
  generation integer not null default 0,
  reason     text,
  primary key (shop_id, event_id, lane_id)
) without rowid;

-- The only index on columns that change; it holds pending work alone.
create index delivery_due on delivery(lane_id, rank, due_at, event_id) where state = 0;

-- One try and what came of it. Append-only. `late`: its lease was lost, so it did not decide the state.
create table attempt(
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
  primary key (shop_id, event_id, lane_id, id)
) without rowid;

-- What a publisher may send twice: the same key in the same shop is the same event.
create table event_key(
  shop_id  integer not null,
  key      text    not null,
  event_id integer not null,
  primary key (shop_id, key)
) without rowid;
