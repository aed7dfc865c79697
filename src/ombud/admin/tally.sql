-- Counts of tries by lane and ten minutes, of accepted events, and what waited. Those of a lane's hours are added and read
-- as those of its ten minutes are (tally.of_hours).

-- name: add_to_tally
-- rows: lane_id bigint, since bigint, done bigint, failed bigint, last_at bigint, last_status bigint, ms_10 bigint, ms_25 bigint, ms_50 bigint, ms_100 bigint, ms_250 bigint, ms_500 bigint, ms_1000 bigint, ms_2500 bigint, ms_5000 bigint, ms_10000 bigint, ms_more bigint
-- Several processes add to the same ten minutes.
insert into tally(lane_id, since, done, failed, last_at, last_status,
  ms_10, ms_25, ms_50, ms_100, ms_250, ms_500, ms_1000, ms_2500, ms_5000, ms_10000, ms_more)
values (:lane_id, :since, :done, :failed, :last_at, :last_status,
  :ms_10, :ms_25, :ms_50, :ms_100, :ms_250, :ms_500, :ms_1000, :ms_2500, :ms_5000, :ms_10000, :ms_more)
on conflict (lane_id, since) do update set
  last_at = {greatest}(tally.last_at, excluded.last_at),
  last_status = case when excluded.last_at >= tally.last_at then excluded.last_status else tally.last_status end,
  done = tally.done + excluded.done, failed = tally.failed + excluded.failed,
  ms_10 = tally.ms_10 + excluded.ms_10, ms_25 = tally.ms_25 + excluded.ms_25, ms_50 = tally.ms_50 + excluded.ms_50,
  ms_100 = tally.ms_100 + excluded.ms_100, ms_250 = tally.ms_250 + excluded.ms_250, ms_500 = tally.ms_500 + excluded.ms_500,
  ms_1000 = tally.ms_1000 + excluded.ms_1000, ms_2500 = tally.ms_2500 + excluded.ms_2500, ms_5000 = tally.ms_5000 + excluded.ms_5000,
  ms_10000 = tally.ms_10000 + excluded.ms_10000, ms_more = tally.ms_more + excluded.ms_more;
-- postgres:
insert into tally(lane_id, since, done, failed, last_at, last_status,
  ms_10, ms_25, ms_50, ms_100, ms_250, ms_500, ms_1000, ms_2500, ms_5000, ms_10000, ms_more)
select r.lane_id, r.since, r.done, r.failed, r.last_at, r.last_status,
  r.ms_10, r.ms_25, r.ms_50, r.ms_100, r.ms_250, r.ms_500, r.ms_1000, r.ms_2500, r.ms_5000, r.ms_10000, r.ms_more from {rows} r
on conflict (lane_id, since) do update set
  last_at = {greatest}(tally.last_at, excluded.last_at),
  last_status = case when excluded.last_at >= tally.last_at then excluded.last_status else tally.last_status end,
  done = tally.done + excluded.done, failed = tally.failed + excluded.failed,
  ms_10 = tally.ms_10 + excluded.ms_10, ms_25 = tally.ms_25 + excluded.ms_25, ms_50 = tally.ms_50 + excluded.ms_50,
  ms_100 = tally.ms_100 + excluded.ms_100, ms_250 = tally.ms_250 + excluded.ms_250, ms_500 = tally.ms_500 + excluded.ms_500,
  ms_1000 = tally.ms_1000 + excluded.ms_1000, ms_2500 = tally.ms_2500 + excluded.ms_2500, ms_5000 = tally.ms_5000 + excluded.ms_5000,
  ms_10000 = tally.ms_10000 + excluded.ms_10000, ms_more = tally.ms_more + excluded.ms_more;

-- name: tally_of_lane
-- rows: lane_id bigint, since bigint, width bigint
-- A lane's counts from a time on, added up by spans of that width. `latest`: the last try and, as its last three digits,
-- the status.
select lane_id, since - since % :width as since, cast(sum(done) as bigint) as done, cast(sum(failed) as bigint) as failed,
  max(last_at * 1000 + coalesce(last_status, 0)) as latest,
  cast(sum(ms_10) as bigint) as ms_10, cast(sum(ms_25) as bigint) as ms_25, cast(sum(ms_50) as bigint) as ms_50,
  cast(sum(ms_100) as bigint) as ms_100, cast(sum(ms_250) as bigint) as ms_250, cast(sum(ms_500) as bigint) as ms_500,
  cast(sum(ms_1000) as bigint) as ms_1000, cast(sum(ms_2500) as bigint) as ms_2500, cast(sum(ms_5000) as bigint) as ms_5000,
  cast(sum(ms_10000) as bigint) as ms_10000, cast(sum(ms_more) as bigint) as ms_more
from tally where lane_id = :lane_id and since >= :since group by 1, 2 order by 2;
-- postgres:
select c.* from {rows} r cross join lateral (
  select t.lane_id, t.since - t.since % r.width as since, cast(sum(t.done) as bigint) as done, cast(sum(t.failed) as bigint) as failed,
    max(t.last_at * 1000 + coalesce(t.last_status, 0)) as latest,
    cast(sum(t.ms_10) as bigint) as ms_10, cast(sum(t.ms_25) as bigint) as ms_25, cast(sum(t.ms_50) as bigint) as ms_50,
    cast(sum(t.ms_100) as bigint) as ms_100, cast(sum(t.ms_250) as bigint) as ms_250, cast(sum(t.ms_500) as bigint) as ms_500,
    cast(sum(t.ms_1000) as bigint) as ms_1000, cast(sum(t.ms_2500) as bigint) as ms_2500, cast(sum(t.ms_5000) as bigint) as ms_5000,
    cast(sum(t.ms_10000) as bigint) as ms_10000, cast(sum(t.ms_more) as bigint) as ms_more
  from tally t where t.lane_id = r.lane_id and t.since >= r.since group by 1, 2) c
order by 1, 2;

-- name: tally_of_all
-- The same of the whole installation.
select since - since % :width as since, cast(sum(done) as bigint) as done, cast(sum(failed) as bigint) as failed,
  max(last_at * 1000 + coalesce(last_status, 0)) as latest,
  cast(sum(ms_10) as bigint) as ms_10, cast(sum(ms_25) as bigint) as ms_25, cast(sum(ms_50) as bigint) as ms_50,
  cast(sum(ms_100) as bigint) as ms_100, cast(sum(ms_250) as bigint) as ms_250, cast(sum(ms_500) as bigint) as ms_500,
  cast(sum(ms_1000) as bigint) as ms_1000, cast(sum(ms_2500) as bigint) as ms_2500, cast(sum(ms_5000) as bigint) as ms_5000,
  cast(sum(ms_10000) as bigint) as ms_10000, cast(sum(ms_more) as bigint) as ms_more
from tally where lane_id < 0 and since >= :from group by 1 order by 1;

-- name: tally_of_shop
-- The same of the lanes of one shop.
select t.since - t.since % :width as since, cast(sum(done) as bigint) as done, cast(sum(failed) as bigint) as failed,
  max(last_at * 1000 + coalesce(last_status, 0)) as latest,
  cast(sum(ms_10) as bigint) as ms_10, cast(sum(ms_25) as bigint) as ms_25, cast(sum(ms_50) as bigint) as ms_50,
  cast(sum(ms_100) as bigint) as ms_100, cast(sum(ms_250) as bigint) as ms_250, cast(sum(ms_500) as bigint) as ms_500,
  cast(sum(ms_1000) as bigint) as ms_1000, cast(sum(ms_2500) as bigint) as ms_2500, cast(sum(ms_5000) as bigint) as ms_5000,
  cast(sum(ms_10000) as bigint) as ms_10000, cast(sum(ms_more) as bigint) as ms_more
from lane l join tally t on t.lane_id = l.id and t.since >= :from
where l.box = :box and l.shop_id = :shop_id group by 1 order by 1;

-- name: failing_lately
-- Endpoints with most failed tries, among the latest 1,000 ten minutes of a lane with any. A number
-- that a plan for every value does not know would have it sort them all.
select l.destination_id as endpoint_id, cast(sum(f.failed) as bigint) as failed from (
  select lane_id, failed from tally where failed > 0 and lane_id > 0 and since >= :from order by since desc limit 1000
) f join lane l on l.id = f.lane_id and l.box = :box
group by l.destination_id order by 2 desc, 1 desc limit :rows;

-- name: failing_hours
-- The same from hours.
select l.destination_id as endpoint_id, cast(sum(f.failed) as bigint) as failed from (
  select lane_id, failed from tally_hours where failed > 0 and since >= :from order by since desc limit 1000
) f join lane l on l.id = f.lane_id and l.box = :box
group by l.destination_id order by 2 desc, 1 desc limit :rows;

-- name: closed_endpoints
-- Those of which every try fails, the longest first.
select id as endpoint_id from endpoint where closed_since is not null and deleted_at is null order by closed_since limit :rows;

-- name: forget_tally
-- What is older than any page looks at, a bounded number at a time.
delete from tally where (lane_id, since) in (
  select lane_id, since from tally where lane_id > 0 and since < :before order by since limit :most);

-- name: forget_hours
-- The same of hours.
delete from tally_hours where (lane_id, since) in (
  select lane_id, since from tally_hours where since < :before order by since limit :most);

-- name: forget_whole
-- The same of the whole.
delete from tally where (lane_id, since) in (
  select lane_id, since from tally where lane_id < 0 and since < :before order by since limit :most);

-- name: next_uncounted
-- The first event that is not counted yet.
select next_id from accepted_next;

-- name: begin_counting
-- From here on, unless it has begun.
insert into accepted_next(id, next_id) values (1, :next_id) on conflict (id) do nothing;

-- name: uncounted_events
-- How many were accepted in each minute and shop, of a bounded number of events; those with data are tests and notices.
select e.shop_id, e.created_at - e.created_at % 60000000 as since, max(e.id) as last_id, count(*) as passed,
  sum(case when e.data is null then 1 else 0 end) as events
from (
  select shop_id, id, created_at, data from event
  where box = :box and id >= :next_id and id < :until_id order by id limit :rows
) e group by 1, 2;

-- name: add_accepted
-- rows: shop_id bigint, since bigint, events bigint
-- Counted once: in the transaction that moves on.
insert into accepted(shop_id, since, events) values (:shop_id, :since, :events)
on conflict (shop_id, since) do update set events = accepted.events + excluded.events;

-- name: move_counting
-- Counted up to here; nothing comes back when somebody else has counted meanwhile.
update accepted_next set next_id = :next_id where next_id = :was returning next_id;

-- name: accepted_of
-- Events of a shop, or of every one (-1), by spans of that width.
select since - since % :width as since, cast(sum(events) as bigint) as events from accepted
where shop_id = :shop_id and since >= :from group by 1 order by 1;

-- name: forget_accepted
-- What is older than any page looks at, a bounded number at a time.
delete from accepted where (shop_id, since) in (
  select shop_id, since from accepted where since < :before order by since limit :most);

-- name: waiting_of_box
-- How many deliveries wait, up to a bound; found in the index of what waits alone.
select count(*) as waiting from (
  select lane_id from delivery where state = 0 and lane_id > 0 order by lane_id limit :most
) d join lane l on l.id = d.lane_id and l.box = :box;

-- name: put_backlog
-- The most that was seen in this minute.
insert into backlog(since, waiting, oldest_ms) values (:since, :waiting, :oldest_ms)
on conflict (since) do update set waiting = {greatest}(backlog.waiting, excluded.waiting),
  oldest_ms = {greatest}(backlog.oldest_ms, excluded.oldest_ms);

-- name: backlog_since
-- The same by spans of that width.
select since - since % :width as since, max(waiting) as waiting, max(oldest_ms) as oldest_ms
from backlog where since >= :from group by 1 order by 1;

-- name: forget_backlog
-- What is older than any page looks at.
delete from backlog where since < :before;

-- name: oldest_due_of_shop
-- Since when work has waited in the lanes of one shop. Held lanes wait on purpose.
select min(l.due_at) as due_at from (
  select (select min(d.due_at) from delivery d where d.lane_id = lane.id and d.state = 0 and d.rank = 0) as due_at
  from lane where box = :box and shop_id = :shop_id and hold_until <= :now
) l;
