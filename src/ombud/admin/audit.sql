-- What `ombud audit` looks for, in one text for both databases. Statements that look for something return what must not
-- be: at most :examples rows, each with the `total`. 4611686018427387904 is "never" (model.NEVER). An event, its
-- deliveries and their tries share a day, and so do all joins of them. `cross join` keeps SQLite from starting with the
-- second table.

-- name: applied_migrations
-- Which parts keep their tables here, and in which version.
select part, version from schema_version;

-- name: what_time
-- The time, which does not go back when a clock is set back, and the latest that a performer has noted.
select {greatest}(:now, c.seen) as now, c.seen from (select coalesce(max(seen), 0) as seen from clock) c;

-- name: open_days
-- The days there are, oldest first.
select day from day order by day;

-- name: first_lane
-- Lanes are never deleted: before the first there was nothing to deliver.
select min(id) as id from lane;

-- name: wrong_fan_out
-- The deliveries of an event are as many as were written with it.
select e.id as event_id, e.fan_out,
  (select count(*) from delivery d where d.day = e.day and d.event_id = e.id) as deliveries,
  count(*) over () as total
from event e
where e.fan_out <> (select count(*) from delivery d where d.day = e.day and d.event_id = e.id)
limit :examples;

-- name: event_of_unknown_box
-- No list shows such an event.
select e.id as event_id, e.box, count(*) over () as total
from event e where e.box not in (1, 2, 3)
limit :examples;

-- name: event_of_unknown_day
-- Nothing that knows its id finds it, and its day is never dropped.
select e.id as event_id, e.day, count(*) over () as total
from event e where e.day not in (select day from day)
limit :examples;

-- name: event_in_two_days
-- An event that outlives its day is moved, not copied.
select e.id as event_id, min(e.day) as day, max(e.day) as other_day, count(*) over () as total
from event e group by e.box, e.id having count(*) > 1
limit :examples;

-- name: delivery_without_event
-- Nobody knows what to deliver.
select d.event_id, d.lane_id, count(*) over () as total
from delivery d
where not exists (select 1 from event e where e.day = d.day and e.id = d.event_id)
  and not exists (select 1 from event e where e.day in (select day from day) and e.id = d.event_id)
limit :examples;

-- name: delivery_of_other_day
-- It is not found with its event, and goes with another day.
select d.event_id, d.lane_id, d.day, e.day as other_day, count(*) over () as total
from delivery d cross join event e
where not exists (select 1 from event o where o.day = d.day and o.id = d.event_id)
  and e.day in (select day from day) and e.id = d.event_id
limit :examples;

-- name: delivery_without_lane
-- Nobody ever looks for it.
select d.event_id, d.lane_id, count(*) over () as total
from delivery d
where not exists (select 1 from lane l where l.id = d.lane_id)
limit :examples;

-- name: delivery_on_foreign_lane
-- A lane belongs to the box of its events, and to their shop or to every shop (0).
select d.event_id, d.lane_id, count(*) over () as total
from delivery d
join event e on e.day = d.day and e.id = d.event_id
join lane l on l.id = d.lane_id
where l.box <> e.box or l.shop_id not in (e.shop_id, 0)
limit :examples;

-- name: delivery_to_one_destination_twice
-- A destination with several lanes hears of an event on one of them.
select d.event_id, d.lane_id, count(*) over () as total
from delivery d
join delivery o on o.day = d.day and o.event_id = d.event_id and o.lane_id > d.lane_id
join lane l on l.id = d.lane_id
join lane m on m.id = o.lane_id
where m.box = l.box and m.shop_id = l.shop_id and m.destination_id = l.destination_id
limit :examples;

-- name: delivery_of_other_shop
-- A delivery is for the shop of its event.
select d.event_id, d.lane_id, d.shop_id, e.shop_id as event_shop_id, count(*) over () as total
from delivery d join event e on e.day = d.day and e.id = d.event_id
where d.shop_id <> e.shop_id
limit :examples;

-- name: delivery_of_other_subject
-- What is never in flight twice is the event's subject.
select d.event_id, d.lane_id, d.subject, e.subject as event_subject, count(*) over () as total
from delivery d join event e on e.day = d.day and e.id = d.event_id
where d.subject <> e.subject
limit :examples;

-- name: delivery_in_unknown_state
-- Neither work nor ended.
select d.event_id, d.lane_id, d.state, count(*) over () as total
from delivery d where d.state not in (0, 1, 2, 3)
limit :examples;

-- name: delivery_ended_without_reason
-- Dead and skipped deliveries say why.
select d.event_id, d.lane_id, case d.state when 2 then 'dead' else 'skipped' end as state, count(*) over () as total
from delivery d where d.state in (2, 3) and coalesce(d.reason, '') = ''
limit :examples;

-- name: delivery_done_without_attempt
-- Only a try that succeeded makes a delivery done; it is recorded in the same transaction.
select d.event_id, d.lane_id, count(*) over () as total
from delivery d
where d.state = 1 and not exists (
  select 1 from attempt a
  where a.day = d.day and a.event_id = d.event_id and a.lane_id = d.lane_id
    and a.generation = d.generation and a.late = 0 and a.outcome = 'done')
limit :examples;

-- name: attempts_not_counted
-- A try that counts is written with its delivery. What was skipped meanwhile keeps its count; a try that was
-- interrupted, or came late, counts for nothing.
select d.event_id, d.lane_id, d.attempts,
  (select count(*) from attempt a
   where a.day = d.day and a.event_id = d.event_id and a.lane_id = d.lane_id
     and a.generation = d.generation and a.late = 0 and a.outcome <> 'interrupted') as recorded,
  count(*) over () as total
from delivery d
where d.state <> 3 and d.attempts < (
  select count(*) from attempt a
  where a.day = d.day and a.event_id = d.event_id and a.lane_id = d.lane_id
    and a.generation = d.generation and a.late = 0 and a.outcome <> 'interrupted')
limit :examples;

-- name: attempt_without_delivery
-- A try at nothing.
select a.event_id, a.lane_id, a.at, count(*) over () as total
from attempt a
where not exists (
    select 1 from delivery d where d.day = a.day and d.event_id = a.event_id and d.lane_id = a.lane_id)
  and not exists (
    select 1 from delivery d where d.day in (select day from day) and d.event_id = a.event_id and d.lane_id = a.lane_id)
limit :examples;

-- name: attempt_of_other_day
-- It is not shown with its delivery, and goes with another day.
select a.event_id, a.lane_id, a.at, a.day, d.day as other_day, count(*) over () as total
from attempt a cross join delivery d
where not exists (
    select 1 from delivery o where o.day = a.day and o.event_id = a.event_id and o.lane_id = a.lane_id)
  and d.day in (select day from day) and d.event_id = a.event_id and d.lane_id = a.lane_id
limit :examples;

-- name: delivery_never_due
-- Pending, and no time at which it could start, or nobody who would load it.
select d.event_id, d.lane_id, count(*) over () as total
from delivery d where d.state = 0 and (d.due_at >= 4611686018427387904 or d.rank not in (0, 1))
limit :examples;

-- name: lane_asleep
-- A free lane with pending work wakes when the first of it is due, or when it is no longer held. Only what was so at
-- :settled counts: PostgreSQL rings a moment after the commit, and on SQLite a lane may be in its performer's memory.
select l.id as lane_id, p.event_id, p.due_at, l.wake_at, p.pending, count(*) over () as total
from (
  select lane_id, min(event_id) as event_id, min(due_at) as due_at, count(*) as pending
  from delivery where state = 0 group by lane_id
) p join lane l on l.id = p.lane_id
where l.box = :box and l.lease_token is null and l.rested_at <= :settled and p.due_at <= :settled
  and l.wake_at > {greatest}(:soon, l.hold_until, p.due_at)
limit :examples;

-- name: lane_abandoned
-- A lease that ended before :before, which nobody has taken over although work is pending.
select l.id as lane_id, p.event_id, l.wake_at, p.pending, count(*) over () as total
from (
  select lane_id, min(event_id) as event_id, count(*) as pending from delivery where state = 0 group by lane_id
) p join lane l on l.id = p.lane_id
where l.box = :box and l.lease_token is not null and l.wake_at < :before
limit :examples;

-- name: lane_overlooked
-- A lane that was due before :before, and nobody has looked.
select l.id as lane_id, p.event_id, l.wake_at, p.pending, count(*) over () as total
from (
  select lane_id, min(event_id) as event_id, min(due_at) as due_at, count(*) as pending
  from delivery where state = 0 group by lane_id
) p join lane l on l.id = p.lane_id
where l.box = :box and l.lease_token is null and {greatest}(l.wake_at, l.hold_until, p.due_at) < :before
limit :examples;

-- name: lease_without_end
-- A lane that holds a token and does not wake: when its owner dies, nobody takes it over.
select l.id as lane_id, l.wake_at, count(*) over () as total
from lane l where l.lease_token is not null and l.wake_at > :longest_lease
limit :examples;

-- name: lane_of_unknown_box
-- Nobody works such a lane.
select l.id as lane_id, l.box, count(*) over () as total
from lane l where l.box not in (:box_one, :box_two, :box_three)
limit :examples;

-- name: event_key_without_event
-- An event was accepted under this key. Before :certain it may have gone with its day.
select k.shop_id, k.key, k.event_id, count(*) over () as total
from event_key k
where k.event_id >= :certain
  and not exists (select 1 from event e where e.day in (select day from day) and e.id = k.event_id)
limit :examples;

-- name: event_key_of_other_shop
-- What is published under this key would be taken for stored.
select k.shop_id, k.key, k.event_id, count(*) over () as total
from event_key k join event e on e.day in (select day from day) and e.id = k.event_id
where e.shop_id <> k.shop_id
limit :examples;

-- name: endpoint_without_lane
-- An endpoint has a lane, and it is its own.
select p.id as endpoint_id, p.lane_id, count(*) over () as total
from endpoint p
where not exists (
  select 1 from lane l
  where l.id = p.lane_id and l.box = 1 and l.shop_id = p.shop_id and l.destination_id = p.id)
limit :examples;

-- name: lane_without_endpoint
-- Endpoints are never deleted from the table, so every lane of the outbox has its own.
select l.id as lane_id, count(*) over () as total
from lane l
where l.box = 1 and not exists (select 1 from endpoint p where p.shop_id = l.shop_id and p.id = l.destination_id)
limit :examples;

-- name: subscription_without_endpoint
-- Somebody was to hear of these events.
select s.shop_id, s.event_type, s.endpoint_id, count(*) over () as total
from subscription s
where not exists (select 1 from endpoint p where p.shop_id = s.shop_id and p.id = s.endpoint_id)
limit :examples;

-- name: shop_without_lane
-- What arrives for the shop would be read by nobody.
select s.id as shop_id, s.name, count(*) over () as total
from inbox_shop s
where not exists (
  select 1 from lane l
  where l.id = s.reader_lane_id and l.box = 2 and l.shop_id = s.id and l.destination_id = s.id)
limit :examples;

-- name: lane_without_shop
-- A reader's lane leads to a shop.
select l.id as lane_id, count(*) over () as total
from lane l
where l.box = 2 and not exists (select 1 from inbox_shop s where s.id = l.shop_id and s.reader_lane_id = l.id)
limit :examples;

-- name: lane_without_handler
-- A handler's lane leads to a handler.
select l.id as lane_id, count(*) over () as total
from lane l
where l.box = 3 and not exists (select 1 from handler h where h.id = l.destination_id)
limit :examples;

-- name: event_without_shop
-- Arrivals and changes belong to a shop of the inbox; without it no list shows them.
select e.id as event_id, e.shop_id, count(*) over () as total
from event e
where e.box in (2, 3) and not exists (select 1 from inbox_shop s where s.id = e.shop_id)
limit :examples;

-- name: reading_without_arrival
-- A look was asked for by an arrival. Before :certain it may have gone with its day.
select r.id as reading_id, r.event_id, count(*) over () as total
from reading r
where r.event_id >= :certain
  and not exists (select 1 from event e where e.day in (select day from day) and e.id = r.event_id and e.box = 2)
limit :examples;

-- name: reading_without_document
-- What a look has found is kept.
select r.id as reading_id, r.subject, r.version, count(*) over () as total
from reading r
where r.version is not null
  and not exists (select 1 from document c where c.shop_id = r.shop_id and c.version = r.version)
limit :examples;

-- name: mirror_without_reading
-- What is known of a subject, but for the baseline, was found by a look.
select m.subject, m.reading_id, count(*) over () as total
from mirror m
where m.reading_id is not null
  and not exists (select 1 from reading r where r.shop_id = m.shop_id and r.id = m.reading_id)
limit :examples;

-- name: mirror_without_document
-- What is known of a subject is kept.
select m.subject, m.version, count(*) over () as total
from mirror m
where m.version is not null
  and not exists (select 1 from document c where c.shop_id = m.shop_id and c.version = m.version)
limit :examples;

-- name: ledger_without_handler
-- Whom it was told is known.
select g.subject, g.event_type, g.handler_id, count(*) over () as total
from ledger g
where not exists (select 1 from handler h where h.id = g.handler_id)
limit :examples;

-- name: ledger_without_document
-- What a handler was told, and what it has finished with, is kept: the next change is compared with it.
select g.subject, g.event_type, h.name as handler, count(*) over () as total
from ledger g left join handler h on h.id = g.handler_id
where (g.version is not null
    and not exists (select 1 from document c where c.shop_id = g.shop_id and c.version = g.version))
  or (g.applied_version is not null
    and not exists (select 1 from document c where c.shop_id = g.shop_id and c.version = g.applied_version))
limit :examples;

-- name: change_without_document
-- What waits to be told can be told. A change begins with its version (receiver/telling.py): 32 hexadecimal digits.
select w.event_id, w.lane_id, w.subject, count(*) over () as total
from (
  select d.shop_id, d.event_id, d.lane_id, e.subject, substr(e.data, 14, 32) as version
  from delivery d join event e on e.day = d.day and e.id = d.event_id
  where d.state = 0 and e.box = 3 and e.data like '{"version": "%'
) w
where not exists (select 1 from document c where c.shop_id = w.shop_id and c.version = w.version)
limit :examples;

-- name: count_rows
-- The totals.
select (select count(*) from event) as events, (select count(*) from attempt) as attempts,
  (select count(*) from lane) as lanes;

-- name: count_deliveries
-- Deliveries by state.
select count(*) as deliveries, count(*) filter (where state = 0) as pending, count(*) filter (where state = 1) as done,
  count(*) filter (where state = 2) as dead, count(*) filter (where state = 3) as skipped
from delivery;

-- name: count_waiting
-- Of a box's pending deliveries: how many are due, how many nobody may start now, and since when the oldest waits.
select count(*) filter (where d.due_at <= :now and l.hold_until <= :now) as due,
  count(*) filter (where l.hold_until > :now) as held,
  min(case when d.due_at <= :now and l.hold_until <= :now then d.due_at end) as since
from delivery d join lane l on l.id = d.lane_id
where d.state = 0 and l.box = :box;

-- name: count_lanes
-- How the lanes of a box are: closed because the destination fails as a whole, given up after days of that, working one
-- by one after a crash, and left by a process that died. And what shows that somebody works them: a lease that runs, or
-- the time at which a lane was last given back.
select count(*) filter (where closed_at is not null and given_up_at is null) as closed,
  count(*) filter (where given_up_at is not null) as given_up,
  count(*) filter (where crashes > 0) as careful,
  count(*) filter (where lease_token is not null and wake_at < :now) as left_behind,
  count(*) filter (where lease_token is not null and wake_at >= :now) as leased,
  coalesce(max(rested_at), 0) as rested_at
from lane where box = :box;
