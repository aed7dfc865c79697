-- Deliveries for people: one row each with its last try. An event's deliveries and tries stand in its day.

-- name: deliveries_between
-- Those of events with an id from `since` on and below `before`, newest first, that a filter lets through; `at` and `lane`:
-- where the page before has ended. An empty text or a zero asks for nothing, and neither does a state below 0.
select e.id, e.day, e.shop_id, e.type, e.subject, e.created_at, e.data, d.lane_id, d.state, d.reason, d.due_at,
  d.attempts as tries, d.generation, l.shop_id as lane_shop_id, p.id as endpoint_id, p.url,
  a.at, a.status, a.milliseconds, a.outcome
from event e
join delivery d on d.day = e.day and d.event_id = e.id
join lane l on l.id = d.lane_id and l.box = :box
left join endpoint p on p.id = l.destination_id
left join attempt a on a.day = d.day and a.event_id = d.event_id and a.lane_id = d.lane_id and a.id = (
  select max(m.id) from attempt m where m.day = d.day and m.event_id = d.event_id and m.lane_id = d.lane_id)
where e.box = :box and e.id < :before and e.id >= :since
  and not (e.id = :at and d.lane_id >= :lane)
  and (:type = '' or e.type = :type) and (:subject = '' or e.subject = :subject)
  and (:shop_id = 0 or l.shop_id = :shop_id) and (:endpoint_id = 0 or l.destination_id = :endpoint_id)
  and (:state < 0 or d.state = :state)
  and (:status_from = 0 or (a.status >= :status_from and a.status <= :status_to))
order by e.id desc, d.lane_id desc limit :rows;

-- name: one_delivery
-- One of them.
select e.id, e.day, e.shop_id, e.type, e.subject, e.created_at, e.data, d.lane_id, d.state, d.reason, d.due_at,
  d.attempts as tries, d.generation, l.shop_id as lane_shop_id, p.id as endpoint_id, p.url,
  null as at, null as status, null as milliseconds, null as outcome
from event e
join delivery d on d.day = e.day and d.event_id = e.id
join lane l on l.id = d.lane_id and l.box = :box
left join endpoint p on p.id = l.destination_id
where e.day in (select day from day) and e.id = :event_id and e.box = :box and d.lane_id = :lane_id;

-- name: tries_of_delivery
-- The newest tries at a delivery of any box; a replay begins a new generation.
select id, generation, at, milliseconds, status, outcome, reason, late
from attempt where day = :day and event_id = :event_id and lane_id = :lane_id order by id desc limit :rows;

-- name: waiting_of_lane
-- rows: lane_id bigint, most bigint
-- How many wait in a lane, up to a bound.
select :lane_id as lane_id, count(*) as waiting from (
  select 1 as one from delivery where lane_id = :lane_id and state = 0 and rank in (0, 1) limit :most) w;
-- postgres:
select r.lane_id, c.waiting from {rows} r cross join lateral (
  select count(*) as waiting from (
    select 1 as one from delivery where lane_id = r.lane_id and state = 0 and rank in (0, 1) limit r.most) w) c;

-- name: resends_of
-- Who has sent a delivery again by itself, oldest first, by the index of such entries.
select at, actor from audit_entry where target = :target and action = 'delivery.resend' order by id limit :rows;
