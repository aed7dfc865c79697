-- What people look at. Rows stand by their day (docs/architecture.md): an event, its deliveries and their tries share one,
-- so `day` leads every join, and a single event is looked for in each of the few days there are.

-- name: list_events
-- A page of a box's events, newest first, with how many of their deliveries are in which state.
select e.day, e.id, e.shop_id, e.type, e.subject, e.data, e.created_at, e.fan_out,
  count(*) filter (where d.state = 0) as pending, count(*) filter (where d.state = 1) as done,
  count(*) filter (where d.state = 2) as dead, count(*) filter (where d.state = 3) as skipped
from (
  select day, id, shop_id, type, subject, data, created_at, fan_out from event
  where box = :box and id < :before order by id desc limit :rows
) e left join delivery d on d.day = e.day and d.event_id = e.id
group by e.day, e.id, e.shop_id, e.type, e.subject, e.data, e.created_at, e.fan_out
order by e.id desc;

-- name: event_ids_back
-- How far back a bounded number of events of a box reaches: the index alone.
select id from event where box = :box and id < :before order by id desc limit 1 offset :events;

-- name: list_events_of_shop
-- A page of one shop's events among those from `since` on, with the deliveries to its own endpoints.
select e.day, e.id, e.shop_id, e.type, e.subject, e.data, e.created_at, count(d.event_id) as fan_out,
  count(*) filter (where d.state = 0) as pending, count(*) filter (where d.state = 1) as done,
  count(*) filter (where d.state = 2) as dead, count(*) filter (where d.state = 3) as skipped
from (
  select day, id, shop_id, type, subject, data, created_at from event
  where box = :box and id < :before and id >= :since and shop_id = :shop_id order by id desc limit :rows
) e left join delivery d on d.day = e.day and d.event_id = e.id
  and exists (select 1 from lane l where l.id = d.lane_id and l.shop_id = :shop_id)
group by e.day, e.id, e.shop_id, e.type, e.subject, e.data, e.created_at
order by e.id desc;

-- name: shop_of_endpoint
-- Whose endpoint it is, deleted or not.
select shop_id from endpoint where id = :id;

-- name: get_event
-- One event of a box.
select day, id, shop_id, type, subject, data, created_at, fan_out from event
where day in (select day from day) and id = :id and box = :box;

-- name: deliveries_of_event
-- Its deliveries, with the endpoints they are for.
select d.day, d.event_id, d.lane_id, d.state, d.reason, d.due_at, d.attempts as tries, p.id as endpoint_id, p.url,
  l.shop_id as lane_shop_id
from delivery d left join lane l on l.id = d.lane_id left join endpoint p on p.id = l.destination_id
where d.day = :day and d.event_id = :event_id
order by d.lane_id limit :rows;

-- name: attempts_of_event
-- Every try at them, in order.
select lane_id, at, milliseconds, status, outcome, reason, late
from attempt where day = :day and event_id = :event_id
order by lane_id, id;

-- name: latest_attempts
-- The last tries at a delivery, newest first.
select lane_id, at, milliseconds, status, outcome, reason, late
from attempt where day = :day and event_id = :event_id and lane_id = :lane_id
order by id desc limit :rows;

-- name: newest_of_lanes
-- Among the newest events, the last one for each lane, and what became of it.
select n.day, n.event_id, n.lane_id, n.state, n.reason, n.due_at, n.tries, n.type, n.subject
from (
  select d.day, d.event_id, d.lane_id, d.state, d.reason, d.due_at, d.attempts as tries, e.type, e.subject,
    row_number() over (partition by d.lane_id order by d.event_id desc) as place
  from (select day, id, type, subject from event where box = :box order by id desc limit :events) e
  join delivery d on d.day = e.day and d.event_id = e.id
) n where n.place = 1;

-- name: overview_events
-- The newest events of a box.
select day, id, shop_id, type, subject, created_at, fan_out from event where box = :box order by id desc limit :rows;

-- name: oldest_due
-- Since when work has waited in the lanes that must be looked at first. Held lanes wait on purpose.
select min(l.due_at) as due_at from (
  select (select min(d.due_at) from delivery d where d.lane_id = lane.id and d.state = 0 and d.rank = 0) as due_at
  from lane where box = :box and wake_at < 4611686018427387904 and hold_until <= :now
  order by wake_at limit :lanes
) l;

-- name: leased_now
-- A lane that somebody owns: its lease ends within a minute, unless it is extended.
select 1 as leased from lane
where box = :box and wake_at > :now and wake_at < :now + 60000000 and wake_at < 4611686018427387904
  and lease_token is not null
limit 1;

-- name: lanes_of_endpoints
-- rows: shop_id bigint, endpoint_id bigint, box bigint
-- How the lanes of endpoints do.
select destination_id as endpoint_id, hold_until, closed_at
from lane where box = :box and shop_id = :shop_id and destination_id = :endpoint_id;
-- postgres:
select l.destination_id as endpoint_id, l.hold_until, l.closed_at
from {rows} r join lane l on l.box = r.box and l.shop_id = r.shop_id and l.destination_id = r.endpoint_id;

-- name: endpoints_for_event
-- The endpoints that an event could be for, also deleted ones and those of every shop, and whether they want it now.
select e.id, e.shop_id, e.lane_id, e.url, e.enabled, e.created_at, e.deleted_at, e.disabled_at, e.disabled_reason,
  e.rate_per_minute,
  (select count(*) from subscription s
    where s.shop_id = e.shop_id and s.event_type = :type and s.endpoint_id = e.id) as wants,
  (select group_concat(event_type) from subscription s where s.endpoint_id = e.id) as event_types
from endpoint e where e.shop_id in (:shop_id, 0) order by e.id desc limit :rows;
-- postgres:
select e.id, e.shop_id, e.lane_id, e.url, e.enabled, e.created_at, e.deleted_at, e.disabled_at, e.disabled_reason,
  e.rate_per_minute,
  (select count(*) from subscription s
    where s.shop_id = e.shop_id and s.event_type = :type and s.endpoint_id = e.id) as wants,
  (select string_agg(event_type, ',') from subscription s where s.endpoint_id = e.id) as event_types
from endpoint e where e.shop_id in (:shop_id, 0) order by e.id desc limit :rows;

-- name: deliveries_with_lanes
-- An event's deliveries, how the lanes do on which they are, and for what place they wait.
select d.lane_id, d.state, d.reason, d.due_at, d.attempts as tries, l.destination_id as endpoint_id, l.hold_until,
  l.closed_at, l.lease_token, t.place, t.connections, t.per_second, t.since as waits_since
from delivery d join lane l on l.id = d.lane_id
left join target_wait t on t.lane_id = l.id and t.lease_token = l.lease_token
where d.day = :day and d.event_id = :event_id;

-- Arrivals ---------------------------------------------------------------------------------------------------------

-- name: get_arrival
-- One webhook that arrived.
select e.day, e.id, e.shop_id, e.type, e.subject, e.data, e.created_at, s.name as shop, d.lane_id, d.state, d.reason,
  d.due_at, d.attempts as tries, d.generation, null as at, null as status, null as milliseconds, null as outcome
from event e join inbox_shop s on s.id = e.shop_id
left join delivery d on d.day = e.day and d.event_id = e.id and d.lane_id = s.reader_lane_id
where e.day in (select day from day) and e.id = :id and e.box = :box;

-- name: first_arrival
-- The first webhook of this type about a subject from an id on; looked for among a bounded number of rows, some of which
-- are changes. `box > 1` is the condition of the index.
select e.day, e.id, e.shop_id, e.type, e.subject, e.data, e.created_at, s.name as shop, d.lane_id, d.state, d.reason,
  d.due_at, d.attempts as tries
from (select * from event where box > 1 and subject = :subject and id >= :since order by id limit :rows) e
join inbox_shop s on s.id = e.shop_id
left join delivery d on d.day = e.day and d.event_id = e.id and d.lane_id = s.reader_lane_id
where e.box = :box and e.type = :type
order by e.id limit 1;

-- name: reading_after
-- The first look at a subject that began after the arrival was stored: the one that covers it. Of those that are on record
-- later one may have begun before, as there is one at a time. Found in the index of subjects alone: SQLite would rather
-- walk every later look.
select id, started_at, milliseconds, status, listed from reading
where shop_id = :shop_id and (event_id = :event_id or started_at > :created_at) and id in (
  select id from reading where shop_id = :shop_id and subject = :subject and id > :event_id order by id limit 2
)
order by id limit 1;

-- name: changes_after_reading
-- What handlers were told of a subject from a look on. Those of this very look are written with it, so they are among
-- the next rows of its subject; `data` says which they are. `box > 1` is the condition of the index.
select e.day, e.id as event_id, e.shop_id, e.type, e.data, h.name as handler, d.lane_id, d.state, d.reason, d.due_at,
  d.attempts as tries
from (select * from event where box > 1 and subject = :subject and id > :reading_id order by id limit :rows) e
join delivery d on d.day = e.day and d.event_id = e.id
join lane l on l.id = d.lane_id join handler h on h.id = l.destination_id
where e.box = :box and e.shop_id = :shop_id
order by e.id;

-- Shops of an inbox ------------------------------------------------------------------------------------------------

-- name: shops_of_inbox
-- Every shop, with what waits in its lanes.
with waiting as (
  select l.shop_id, sum(case when l.box = :changes then 0 else 1 end) as reads,
    sum(case when l.box = :changes then 1 else 0 end) as runs
  from lane l join delivery d on d.lane_id = l.id and d.state = 0
  where l.box in (:arrivals, :changes)
  group by l.shop_id
)
select s.name, s.api_key_file, s.reads_per_second, s.paused_at, s.created_at, s.token_used_at, s.previous_token_used_at,
  case when s.previous_token_hash is null then 0 else 1 end as has_previous,
  coalesce(w.reads, 0) as reads, coalesce(w.runs, 0) as runs
from inbox_shop s left join waiting w on w.shop_id = s.id
order by s.id;
