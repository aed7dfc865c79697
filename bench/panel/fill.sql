-- What `python -m bench.panel` stores: three days of deliveries, arrivals and changes, and a week of counts. Numbered rows,
-- whose times grow evenly, so that one text does it on both databases, in steps.

-- name: fill_lanes
-- A lane for each endpoint; `:shops` have as many each.
insert into lane(id, box, shop_id, destination_id)
with recursive n(i) as (select cast(:first as bigint) union all select i + 1 from n where i < :last)
select 1000 + i, 1, 1 + i % :shops, 1000000 + i from n;

-- name: fill_endpoints
-- Where they lead.
insert into endpoint(shop_id, id, lane_id, url, description, enabled, created_at, updated_at)
with recursive n(i) as (select cast(:first as bigint) union all select i + 1 from n where i < :last)
select 1 + i % :shops, 1000000 + i, 1000 + i, 'https://endpoint-' || i || '.example.com/webhooks', '', 1, :start, :start from n;

-- name: fill_subscriptions
-- What they want.
insert into subscription(shop_id, event_type, endpoint_id)
with recursive n(i) as (select cast(:first as bigint) union all select i + 1 from n where i < :last)
select 1 + i % :shops, 'order.new', 1000000 + i from n;

-- name: fill_events
-- Facts of a box, `:step` microseconds apart from `:start` on. A change (node 3) says what proves it: the read a millisecond
-- after the arrival of the same number (node 2), and how the object was before and after.
insert into event(day, shop_id, id, box, type, subject, data, created_at, fan_out)
with recursive n(i) as (select cast(:first as bigint) union all select i + 1 from n where i < :last),
t(i, at) as (select i, cast(:start as bigint) + i * :step from n)
select at / 86400000000, case when cast(:shop_id as bigint) = 0 then 1 + (i % :lanes) % :shops else :shop_id end,
  (at / 1000 - 1767225600000) * 4194304 + :node * 4096 + i % 4096, :box, case when i % 5 = 0 then 'order.done' else 'order.new' end,
  'order/' || (i % :subjects),
  case when cast(:node as bigint) = 3 then '{"source": "webhook", "reading": '
    || ((at / 1000 - 1767225600000 + 1) * 4194304 + 8192 + i % 4096) || ', "arrival": '
    || ((at / 1000 - 1767225600000) * 4194304 + 8192 + i % 4096) || ', "after": '
    || ((at / 1000 - 1767225600000) * 4194304 + 8191 + i % 4096) || ', "version": "v' || (i % 900) || '", "known": "v'
    || ((i + 1) % 900) || '"}' end, at, 1 from t;

-- name: fill_document
-- An object as the shop's API gave it.
insert into document(shop_id, version, body, created_at) values (:shop_id, :version, :body, :start);

-- name: fill_traces
-- Where those runs failed that were given up.
insert into trace(event_id, lane_id, at, text)
select event_id, lane_id, due_at, 'Traceback (most recent call last):' from delivery where day = :day and lane_id = 77 and state = 2;

-- name: fill_meter
-- How changes were learned and for what the API was asked, an hour each.
insert into meter(shop_id, since, what, amount)
with recursive n(i) as (select cast(:first as bigint) union all select i + 1 from n where i < :last)
select :shop_id, cast(:start as bigint) + i * 3600000000, :what, 10 + i % 50 from n;

-- name: fill_deliveries
-- One of each: most are done, one in 200 is dead, one in 500 waits.
insert into delivery(day, shop_id, event_id, lane_id, subject, state, due_at, attempts, open_since, reason)
with recursive n(i) as (select cast(:first as bigint) union all select i + 1 from n where i < :last),
t(i, at) as (select i, cast(:start as bigint) + i * :step from n)
select at / 86400000000, case when cast(:shop_id as bigint) = 0 then 1 + (i % :lanes) % :shops else :shop_id end,
  (at / 1000 - 1767225600000) * 4194304 + :node * 4096 + i % 4096,
  case when cast(:lane_id as bigint) = 0 then 1000 + i % :lanes else :lane_id end, 'order/' || (i % :subjects),
  case when i % 200 = 0 then 2 when i % 500 = 1 then 0 else 1 end, at + 3600000000, 1, at,
  case when i % 200 = 0 then 'answered 404' when i % 500 = 1 then 'answered 503' end from t;

-- name: fill_attempts
-- And how they were tried.
insert into attempt(day, shop_id, event_id, lane_id, id, generation, at, milliseconds, status, outcome, reason)
with recursive n(i) as (select cast(:first as bigint) union all select i + 1 from n where i < :last),
t(i, at) as (select i, cast(:start as bigint) + i * :step from n)
select at / 86400000000, case when cast(:shop_id as bigint) = 0 then 1 + (i % :lanes) % :shops else :shop_id end,
  (at / 1000 - 1767225600000) * 4194304 + :node * 4096 + i % 4096,
  case when cast(:lane_id as bigint) = 0 then 1000 + i % :lanes else :lane_id end, i, 0, at + 1000, 20 + i % 300,
  case when i % 200 = 0 then 404 when i % 500 = 1 then 503 else 200 end,
  case when i % 200 = 0 then 'dead' when i % 500 = 1 then 'retry' else 'done' end,
  case when i % 200 = 0 then 'answered 404' when i % 500 = 1 then 'answered 503' end from t;

-- name: fill_readings
-- A look at the shop's API a millisecond after each arrival.
insert into reading(shop_id, id, event_id, subject, started_at, milliseconds, status, version)
with recursive n(i) as (select cast(:first as bigint) union all select i + 1 from n where i < :last),
t(i, at) as (select i, cast(:start as bigint) + i * :step from n)
select :shop_id, (at / 1000 - 1767225600000 + 1) * 4194304 + :node * 4096 + i % 4096,
  (at / 1000 - 1767225600000) * 4194304 + :node * 4096 + i % 4096, 'order/' || (i % :subjects), at + 1000, 40, 200, null from t;

-- name: fill_handler
-- Who hears of changes.
insert into handler(id, name, active, created_at) values (77, 'ship', 1, :start);

-- name: fill_handler_lane
-- Its lane.
insert into lane(id, box, shop_id, destination_id) values (77, 3, :shop_id, 77);

-- name: fill_tally
-- Ten minutes of every lane.
insert into tally(lane_id, since, done, failed, last_at, last_status,
  ms_10, ms_25, ms_50, ms_100, ms_250, ms_500, ms_1000, ms_2500, ms_5000, ms_10000, ms_more)
with recursive n(i) as (select cast(:first as bigint) union all select i + 1 from n where i < :last)
select 1000 + i, :since, 40, case when i % 50 = 0 then 3 else 0 end, :since, 200, 1, 9, 20, 5, 3, 2, 0, 0, 0, 0, 0 from n;

-- name: fill_hours
-- And its hours.
insert into tally_hours(lane_id, since, done, failed, last_at, last_status,
  ms_10, ms_25, ms_50, ms_100, ms_250, ms_500, ms_1000, ms_2500, ms_5000, ms_10000, ms_more)
with recursive n(i) as (select cast(:first as bigint) union all select i + 1 from n where i < :last)
select 1000 + i, :since, 40, case when i % 50 = 0 then 3 else 0 end, :since, 200, 1, 9, 20, 5, 3, 2, 0, 0, 0, 0, 0 from n;

-- name: fill_whole
-- The minutes of the whole.
insert into tally(lane_id, since, done, failed, last_at, last_status,
  ms_10, ms_25, ms_50, ms_100, ms_250, ms_500, ms_1000, ms_2500, ms_5000, ms_10000, ms_more)
with recursive n(i) as (select cast(:first as bigint) union all select i + 1 from n where i < :last)
select -1, cast(:start as bigint) + i * 60000000, 800, 6, cast(:start as bigint) + i * 60000000, 200,
  20, 180, 400, 100, 60, 40, 6, 0, 0, 0, 0 from n;

-- name: fill_accepted
-- What every shop accepted in ten minutes.
insert into accepted(shop_id, since, events)
with recursive n(i) as (select cast(:first as bigint) union all select i + 1 from n where i < :last)
select 1 + i, :since, 400 from n;

-- name: fill_accepted_whole
-- And all of them, by the minute.
insert into accepted(shop_id, since, events)
with recursive n(i) as (select cast(:first as bigint) union all select i + 1 from n where i < :last)
select -1, cast(:start as bigint) + i * 60000000, 800 from n;

-- name: fill_backlog
-- What waited.
insert into backlog(since, waiting, oldest_ms)
with recursive n(i) as (select cast(:first as bigint) union all select i + 1 from n where i < :last)
select cast(:start as bigint) + i * 60000000, i % 90, i % 700 from n;
