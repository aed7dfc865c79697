-- What arrived and what handlers made of it, as people look for it. Rows stand by their day, so `day` leads every join.
-- An empty text or a zero asks for nothing, and neither does a state or `held` below 0.

-- name: arrivals_between
-- Webhooks with an id from `since` on and below `before`, newest first; what cannot be read has no delivery.
select e.day, e.id, e.shop_id, e.type, e.subject, e.data, e.created_at, s.name as shop, d.lane_id, d.state, d.reason,
  d.due_at, d.attempts as tries, d.generation, a.at, a.status, a.milliseconds, a.outcome
from event e join inbox_shop s on s.id = e.shop_id
left join delivery d on d.day = e.day and d.event_id = e.id and d.lane_id = s.reader_lane_id
left join attempt a on a.day = d.day and a.event_id = d.event_id and a.lane_id = d.lane_id and a.id = (
  select max(m.id) from attempt m where m.day = d.day and m.event_id = d.event_id and m.lane_id = d.lane_id)
where e.box = :box and e.id < :before and e.id >= :since
  and (:shop_id = 0 or e.shop_id = :shop_id) and (:type = '' or e.type = :type)
  and (:state < 0 or d.state = :state)
  and (:held < 0 or case when d.reason like 'held:%' then 1 else 0 end = :held)
order by e.id desc limit :rows;

-- name: arrivals_of_subject
-- The same for one subject; those that cannot be read have an empty one. `box > 1` is the condition of its index, and
-- `+ box` keeps SQLite from taking another one, in which it would pass every arrival of other subjects.
select e.day, e.id, e.shop_id, e.type, e.subject, e.data, e.created_at, s.name as shop, d.lane_id, d.state, d.reason,
  d.due_at, d.attempts as tries, d.generation, a.at, a.status, a.milliseconds, a.outcome
from event e join inbox_shop s on s.id = e.shop_id
left join delivery d on d.day = e.day and d.event_id = e.id and d.lane_id = s.reader_lane_id
left join attempt a on a.day = d.day and a.event_id = d.event_id and a.lane_id = d.lane_id and a.id = (
  select max(m.id) from attempt m where m.day = d.day and m.event_id = d.event_id and m.lane_id = d.lane_id)
where e.box > 1 and + e.box = :box and e.subject = :subject and e.id < :before and e.id >= :since
  and (:shop_id = 0 or e.shop_id = :shop_id) and (:type = '' or e.type = :type)
  and (:state < 0 or d.state = :state)
  and (:held < 0 or case when d.reason like 'held:%' then 1 else 0 end = :held)
order by e.id desc limit :rows;

-- name: dead_arrivals
-- Those that were given up or are held, by the index of what has failed.
select e.day, e.id, e.shop_id, e.type, e.subject, e.data, e.created_at, s.name as shop, d.lane_id, d.state, d.reason,
  d.due_at, d.attempts as tries, d.generation, a.at, a.status, a.milliseconds, a.outcome
from delivery d
join event e on e.day = d.day and e.id = d.event_id and e.box = :box
join inbox_shop s on s.id = e.shop_id and s.reader_lane_id = d.lane_id
left join attempt a on a.day = d.day and a.event_id = d.event_id and a.lane_id = d.lane_id and a.id = (
  select max(m.id) from attempt m where m.day = d.day and m.event_id = d.event_id and m.lane_id = d.lane_id)
where d.day in (select day from day) and d.state = 2 and d.event_id < :before and d.event_id >= :since
  and (:shop_id = 0 or e.shop_id = :shop_id) and (:type = '' or e.type = :type)
  and (:held < 0 or case when d.reason like 'held:%' then 1 else 0 end = :held)
order by d.event_id desc limit :rows;

-- name: runs_between
-- Runs of handlers for changes with an id from `since` on and below `before`, newest first. A change is for one handler.
select e.day, e.id, e.shop_id, e.type, e.subject, e.data, e.created_at, s.name as shop, h.name as handler, d.lane_id,
  d.state, d.reason, d.due_at, d.attempts as tries, d.generation, a.at, a.status, a.milliseconds, a.outcome
from event e join inbox_shop s on s.id = e.shop_id
join delivery d on d.day = e.day and d.event_id = e.id
join lane l on l.id = d.lane_id and l.box = :box
join handler h on h.id = l.destination_id
left join attempt a on a.day = d.day and a.event_id = d.event_id and a.lane_id = d.lane_id and a.id = (
  select max(m.id) from attempt m where m.day = d.day and m.event_id = d.event_id and m.lane_id = d.lane_id)
where e.box = :box and e.id < :before and e.id >= :since
  and (:shop_id = 0 or e.shop_id = :shop_id) and (:type = '' or e.type = :type)
  and (:state < 0 or d.state = :state) and (:handler = '' or h.name = :handler)
order by e.id desc limit :rows;

-- name: runs_of_subject
-- The same for one subject, by the index of subjects.
select e.day, e.id, e.shop_id, e.type, e.subject, e.data, e.created_at, s.name as shop, h.name as handler, d.lane_id,
  d.state, d.reason, d.due_at, d.attempts as tries, d.generation, a.at, a.status, a.milliseconds, a.outcome
from event e join inbox_shop s on s.id = e.shop_id
join delivery d on d.day = e.day and d.event_id = e.id
join lane l on l.id = d.lane_id and l.box = :box
join handler h on h.id = l.destination_id
left join attempt a on a.day = d.day and a.event_id = d.event_id and a.lane_id = d.lane_id and a.id = (
  select max(m.id) from attempt m where m.day = d.day and m.event_id = d.event_id and m.lane_id = d.lane_id)
where e.box > 1 and + e.box = :box and e.subject = :subject and e.id < :before and e.id >= :since
  and (:shop_id = 0 or e.shop_id = :shop_id) and (:type = '' or e.type = :type)
  and (:state < 0 or d.state = :state) and (:handler = '' or h.name = :handler)
order by e.id desc limit :rows;

-- name: dead_runs
-- Runs that were given up, by the index of what has failed.
select e.day, e.id, e.shop_id, e.type, e.subject, e.data, e.created_at, s.name as shop, h.name as handler, d.lane_id,
  d.state, d.reason, d.due_at, d.attempts as tries, d.generation, a.at, a.status, a.milliseconds, a.outcome
from delivery d
join event e on e.day = d.day and e.id = d.event_id and e.box = :box
join inbox_shop s on s.id = e.shop_id
join lane l on l.id = d.lane_id and l.box = :box
join handler h on h.id = l.destination_id
left join attempt a on a.day = d.day and a.event_id = d.event_id and a.lane_id = d.lane_id and a.id = (
  select max(m.id) from attempt m where m.day = d.day and m.event_id = d.event_id and m.lane_id = d.lane_id)
where d.day in (select day from day) and d.state = 2 and d.event_id < :before and d.event_id >= :since
  and (:shop_id = 0 or e.shop_id = :shop_id) and (:type = '' or e.type = :type)
  and (:handler = '' or h.name = :handler)
order by d.event_id desc limit :rows;

-- name: one_run
-- One run, with the versions that its handler was last told of and has finished with.
select e.day, e.id, e.shop_id, e.type, e.subject, e.data, e.created_at, s.name as shop, h.id as handler_id,
  h.name as handler, d.lane_id, d.state, d.reason, d.due_at, d.attempts as tries, d.generation,
  null as at, null as status, null as milliseconds, null as outcome
from event e join inbox_shop s on s.id = e.shop_id
join delivery d on d.day = e.day and d.event_id = e.id
join lane l on l.id = d.lane_id and l.box = :box
join handler h on h.id = l.destination_id
where e.day in (select day from day) and e.id = :event_id and e.box = :box and d.lane_id = :lane_id;

-- name: reading
-- A look at the shop's API.
select id, event_id, started_at, milliseconds, status, version, listed from reading where shop_id = :shop_id and id = :id;

-- name: arrivals_since
-- The webhooks of a subject that came after one and up to another, oldest first: what a run answers for.
select id, type, created_at from event
where subject = :subject and box > 1 and + box = :box and shop_id = :shop_id and id > :after and id <= :until
order by id limit :rows;

-- name: body_of
-- What the shop's API said of an object.
select body from document where shop_id = :shop_id and version = :version;

-- name: finished_with
-- What a handler last finished with, of whatever event type.
select applied_version from ledger
where shop_id = :shop_id and handler_id = :handler_id and subject = :subject
order by applied_at desc nulls last limit 1;

-- name: handler_names
-- Every handler that was ever here.
select name from handler order by name limit :rows;

-- name: shop_names
-- The shops of this inbox that a caller sees.
select id, name from inbox_shop where (:shop_id = 0 or id = :shop_id) order by name limit :rows;

-- name: days
-- Which days have rows.
select day from day;

-- name: dead_ids_back
-- How far back a bounded number of failures of a day reaches: the index alone.
select event_id as id from delivery where day = :day and state = 2 and event_id < :before
order by event_id desc limit 1 offset :events;

-- name: subject_ids_back
-- The same for events of a subject.
select id from event where box > 1 and subject = :subject and id < :before order by id desc limit 1 offset :events;

-- name: shops_shown
-- The shops that a caller sees, by name.
select id, name, api_key_file, reader_lane_id, reads_per_second, paused_at, created_at, baseline_at,
  token_used_at, previous_token_used_at, case when previous_token_hash is null then 0 else 1 end as has_previous
from inbox_shop where (:shop_id = 0 or id = :shop_id) and name > :after order by name limit :rows;

-- name: shop_shown
-- One of them.
select id, name, api_key_file, reader_lane_id, reads_per_second, paused_at, created_at, baseline_at,
  token_used_at, previous_token_used_at, case when previous_token_hash is null then 0 else 1 end as has_previous,
  token_hash, previous_token_hash
from inbox_shop where id = :id;

-- name: run_lanes_of_shop
-- The lanes of its handlers.
select id from lane where box = :box and shop_id = :shop_id order by id limit :rows;

-- name: sweeps_of_shop
-- When its lists were last compared.
select kind, swept_at from sweep where shop_id = :shop_id order by kind;

-- name: metered
-- What was counted for a shop from an hour on.
select what, sum(amount) as amount from meter where shop_id = :shop_id and since >= :since group by what order by what;

-- name: trace_of
-- Where a run has failed last.
select text from trace where event_id = :event_id and lane_id = :lane_id;
