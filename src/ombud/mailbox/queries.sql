-- The life of a delivery, top to bottom: append, ring, lease, load, settle, release; then what people do to it, and the
-- end of its day. `4611686018427387904` is "never" (model.NEVER): a partial index is used only where its own condition is
-- repeated. The owner of a lane is whoever knows its `lease_token`; on SQLite a lane without one may be owned too, in the
-- memory of the only performer. Whoever has a delivery's whole key says `state + 0 = 0`, which keeps PostgreSQL from
-- looking through all that waits in the lane: as few of a day's rows wait, it takes that for the shorter way.

-- name: claim_node
-- A process's share of the id space; a number comes back after 1,024 later claims.
update node set last = last + 1 returning last;

-- name: insert_lane
-- A destination's lane, asleep until something is appended for it.
insert into lane(id, box, shop_id, destination_id, slot) values (:id, :box, :shop_id, :destination_id, :slot);

-- Append -----------------------------------------------------------------------------------------------------------

-- name: newest_day
-- Where new rows are placed, and the time before they are written.
select max(day) as day, :now as now from day;

-- name: insert_events
-- rows: day bigint, shop_id bigint, id bigint, box bigint, type text, subject text, data text, fan_out bigint
-- The fact, with the number of deliveries that are written beside it.
insert into event(day, shop_id, id, box, type, subject, data, created_at, fan_out)
values (:day, :shop_id, :id, :box, :type, :subject, :data, :now, :fan_out);
-- postgres:
insert into event(day, shop_id, id, box, type, subject, data, created_at, fan_out)
select r.day, r.shop_id, r.id, r.box, r.type, r.subject, r.data, :now, r.fan_out from {rows} r;

-- name: insert_deliveries
-- rows: day bigint, shop_id bigint, event_id bigint, lane_id bigint, subject text, delay bigint
-- The work: due at once, or after a while.
insert into delivery(day, shop_id, event_id, lane_id, subject, due_at)
values (:day, :shop_id, :event_id, :lane_id, :subject, :now + :delay);
-- postgres:
insert into delivery(day, shop_id, event_id, lane_id, subject, due_at)
select r.day, r.shop_id, r.event_id, r.lane_id, r.subject, :now + r.delay from {rows} r;

-- Ring: after the commit of the append, in a snapshot that sees it -------------------------------------------------

-- name: hand_over
-- rows: lane_id bigint, token bigint, lease bigint, since bigint
-- The process that appends takes an idle lane with the ring. Something else that is due, or a sick lane, is left to a load;
-- so is what somebody may have performed already: who has owned the lane `since` before it was written. On SQLite there is
-- one performer, which takes it in memory alone: nothing is written until that has lasted a moment.
select id, shop_id, destination_id, :token as lease_token,
  case when rested_at < :now - 3600000000 then {least}(window_size, 2) else window_size end as window_size,
  failures, failed_subjects, closed_at, closed_time, probes, warned, crashes, hold_until, given_up_at, started_event_id,
  :now + :lease as wake_at, false as stored
from lane
where id = :lane_id and lease_token is null and wake_at > :now and hold_until <= :now and closed_at is null
  and rested_at <= :since and crashes = 0;
-- postgres:
with taken as (
  select l.id, r.token, r.lease from {rows} r join lane l on l.id = r.lane_id
  where l.lease_token is null and l.wake_at > :now and l.hold_until <= :now and l.closed_at is null
    and l.rested_at <= r.since
  order by l.id for no key update of l skip locked
)
update lane l set lease_token = t.token, wake_at = :now + t.lease,
  window_size = case when l.rested_at < :now - 3600000000 then least(l.window_size, 2) else l.window_size end
from taken t where l.id = t.id
returning l.id, l.shop_id, l.destination_id, l.lease_token, l.window_size, l.failures, l.failed_subjects, l.closed_at,
  l.closed_time, l.probes, l.warned, l.crashes, l.hold_until, l.given_up_at, l.started_event_id,
  l.wake_at, true as stored;

-- name: still_held
-- rows: lane_id bigint, token bigint
-- Of the lanes that the process that appends owns already: where it still does, and nobody has paused them. They need no
-- ring: whoever gives one back later sees what was appended.
select id from lane where id = :lane_id and lease_token = :token and hold_until <= :now;
-- postgres:
select l.id from {rows} r join lane l on l.id = r.lane_id and l.lease_token = r.token and l.hold_until <= :now;

-- name: ring_lanes
-- rows: lane_id bigint
-- Someone must look at these lanes now. Only ever lowers wake_at; a leased lane is looked at by its owner anyway.
update lane set wake_at = {greatest}(:now, hold_until)
where id = :lane_id and lease_token is null and wake_at > {greatest}(:now, hold_until);
-- postgres:
with rung as (
  select l.id from {rows} r join lane l on l.id = r.lane_id
  where l.lease_token is null and l.wake_at > greatest(:now, l.hold_until)
  order by l.id for no key update of l
)
update lane l set wake_at = greatest(:now, l.hold_until) from rung where l.id = rung.id;

-- name: ring_lanes_later
-- rows: lane_id bigint, delay bigint
-- Somebody must look at these lanes then. Only ever lowers wake_at; a leased lane is looked at by its owner anyway.
update lane set wake_at = {greatest}(:now + :delay, hold_until)
where id = :lane_id and lease_token is null and wake_at > {greatest}(:now + :delay, hold_until);
-- postgres:
with due as (
  select lane_id, min(delay) as delay from {rows} r group by lane_id
), rung as (
  select l.id, greatest(:now + due.delay, l.hold_until) as due_at from due join lane l on l.id = due.lane_id
  where l.lease_token is null and l.wake_at > greatest(:now + due.delay, l.hold_until)
  order by l.id for no key update of l
)
update lane l set wake_at = rung.due_at from rung where l.id = rung.id;

-- Lease: become the owner of lanes ---------------------------------------------------------------------------------

-- name: next_wake
-- Microseconds until the next lane must be looked at.
select min(wake_at) - :now as wait from lane where box = :box and wake_at < 4611686018427387904;

-- name: lease_lanes
-- Take the lanes that have waited longest. A lane that still holds a token was left by a crash: counted.
update lane set lease_token = :token, wake_at = :now + :lease,
  crashes = crashes + case when lease_token is null then 0 else 1 end,
  window_size = case when rested_at < :now - 3600000000 then {least}(window_size, 2) else window_size end
where id in (
  select id from lane where box = :box and wake_at <= :now and wake_at < 4611686018427387904
  order by wake_at limit :lanes
)
returning id, shop_id, destination_id, lease_token, window_size, failures, failed_subjects, closed_at, closed_time, probes,
  warned, crashes, hold_until, given_up_at, started_event_id, wake_at, true as stored;
-- postgres:
with due as (
  select id from lane where box = :box and wake_at <= :now and wake_at < 4611686018427387904
  order by wake_at limit :lanes for no key update skip locked
)
update lane l set lease_token = :token, wake_at = :now + :lease,
  crashes = l.crashes + case when l.lease_token is null then 0 else 1 end,
  window_size = case when l.rested_at < :now - 3600000000 then least(l.window_size, 2) else l.window_size end
from due where l.id = due.id
returning l.id, l.shop_id, l.destination_id, l.lease_token, l.window_size, l.failures, l.failed_subjects, l.closed_at,
  l.closed_time, l.probes, l.warned, l.crashes, l.hold_until, l.given_up_at, l.started_event_id,
  l.wake_at, true as stored;

-- name: free_leases
-- A newly elected performer is the only one of its box, so every lease it finds belongs to a dead process.
update lane set wake_at = :now
where box = :box and wake_at < 4611686018427387904 and lease_token is not null;

-- name: fence
-- rows: lane_id bigint, token bigint
-- The first statement of an owner's transaction: which lanes are still mine, locked until the commit.
select id, hold_until, given_up_at from lane where id = :lane_id and lease_token is :token;
-- postgres:
select l.id, l.hold_until, l.given_up_at from {rows} r join lane l on l.id = r.lane_id and l.lease_token = r.token
order by l.id for no key update of l;

-- name: extend_leases
-- rows: lane_id bigint, token bigint, lease bigint, renewed bigint
-- The owner is alive.
update lane set lease_token = :renewed, wake_at = :now + :lease where id = :lane_id and lease_token is :token;
-- postgres:
update lane l set lease_token = r.renewed, wake_at = :now + r.lease from {rows} r
where l.id = r.lane_id and l.lease_token = r.token;

-- Load: what an owner may start ------------------------------------------------------------------------------------

-- name: load_due
-- rows: lane_id bigint, rank bigint, after_due bigint, after_event bigint, most bigint
-- Due, oldest first, beyond the cursor. An event that somebody deleted by hand has no type.
select d.day, d.shop_id, d.event_id, d.lane_id, e.type, d.subject, e.data, e.created_at, d.due_at, d.rank, d.attempts,
  d.generation, d.open_since
from delivery d left join event e on e.day = d.day and e.id = d.event_id
where d.lane_id = :lane_id and d.state = 0 and d.rank = :rank and d.due_at <= :now
  and (d.due_at, d.event_id) > (:after_due, :after_event)
order by d.due_at, d.event_id limit :most;
-- postgres:
select d.day, d.shop_id, d.event_id, d.lane_id, e.type, d.subject, e.data, e.created_at, d.due_at, d.rank, d.attempts,
  d.generation, d.open_since
from {rows} r cross join lateral (
  select * from delivery x
  where x.lane_id = r.lane_id and x.state = 0 and x.rank = r.rank and x.due_at <= :now
    and (x.due_at, x.event_id) > (r.after_due, r.after_event)
  order by x.due_at, x.event_id limit r.most
) d left join event e on e.day = d.day and e.id = d.event_id;

-- name: next_due
-- rows: lane_id bigint
-- When an owned lane has more to do.
select lane_id, min(due_at) as due_at from delivery
where lane_id = :lane_id and state = 0 and rank in (0, 1) and due_at > :now group by lane_id;
-- postgres:
select r.lane_id, d.due_at from {rows} r cross join lateral (
  select least(
    (select due_at from delivery where lane_id = r.lane_id and state = 0 and rank = 0 and due_at > :now
     order by due_at limit 1),
    (select due_at from delivery where lane_id = r.lane_id and state = 0 and rank = 1 and due_at > :now
     order by due_at limit 1)) as due_at
) d where d.due_at is not null;

-- name: pending_of_lanes
-- rows: lane_id bigint, most bigint
-- What still waits in a lane whose destination is gone or switched off.
select day, event_id, lane_id from delivery where lane_id = :lane_id and state = 0 limit :most;
-- postgres:
select d.day, d.event_id, d.lane_id from {rows} r cross join lateral (
  select day, event_id, lane_id from delivery x where x.lane_id = r.lane_id and x.state = 0 limit r.most
) d;

-- name: end_unstarted
-- rows: day bigint, event_id bigint, lane_id bigint, state bigint, reason text
-- A delivery ends without a try: its destination is closed, or a newer one of the same subject stands for it.
update delivery set state = :state, reason = :reason
where day = :day and event_id = :event_id and lane_id = :lane_id and state = 0;
-- postgres:
update delivery d set state = r.state, reason = r.reason from {rows} r
where d.day = r.day and d.event_id = r.event_id and d.lane_id = r.lane_id and d.state + 0 = 0;

-- name: note_start
-- rows: lane_id bigint, token bigint, event_id bigint
-- Careful mode, after a crash: what is about to start, on record before it does.
update lane set started_event_id = :event_id where id = :lane_id and lease_token is :token;
-- postgres:
update lane l set started_event_id = r.event_id from {rows} r
where l.id = r.lane_id and l.lease_token = r.token;

-- name: suspect
-- The delivery that was on record as started when its worker died, and how often that has happened to it.
select d.day, d.shop_id, d.event_id, d.lane_id, e.type, d.subject, e.data, e.created_at, d.due_at, d.rank, d.attempts,
  d.generation, d.open_since,
  (select count(*) from attempt a where a.day = d.day and a.event_id = d.event_id
    and a.lane_id = d.lane_id and a.generation = d.generation and a.outcome = 'crashed') as crashes
from delivery d left join event e on e.day = d.day and e.id = d.event_id
where d.day in (select day from day) and d.event_id = :event_id and d.lane_id = :lane_id
  and d.state + 0 = 0;

-- Settle: what came of a try ---------------------------------------------------------------------------------------

-- name: insert_attempts
-- rows: day bigint, shop_id bigint, event_id bigint, lane_id bigint, id bigint, generation bigint, at bigint, milliseconds bigint, status bigint, outcome text, reason text, late bigint
-- The record of a try, beside its delivery; written even when its lease was lost. With the day the delivery may be gone.
insert into attempt(day, shop_id, event_id, lane_id, id, generation, at, milliseconds, status, outcome, reason, late)
values (:day, :shop_id, :event_id, :lane_id, :id, :generation, :at, :milliseconds, :status, :outcome, :reason, :late);
-- postgres:
insert into attempt(day, shop_id, event_id, lane_id, id, generation, at, milliseconds, status, outcome, reason, late)
select r.day, r.shop_id, r.event_id, r.lane_id, r.id, r.generation, r.at, r.milliseconds, r.status, r.outcome, r.reason,
  r.late
from {rows} r join day d on d.day = r.day;

-- name: insert_attempts_again
-- rows: day bigint, shop_id bigint, event_id bigint, lane_id bigint, id bigint, generation bigint, at bigint, milliseconds bigint, status bigint, outcome text, reason text, late bigint
-- The same after a commit of which nobody knows whether it was stored: a try is on record once.
insert into attempt(day, shop_id, event_id, lane_id, id, generation, at, milliseconds, status, outcome, reason, late)
select :day, :shop_id, :event_id, :lane_id, :id, :generation, :at, :milliseconds, :status, :outcome, :reason, :late
where not exists (select 1 from attempt where day = :day and event_id = :event_id and lane_id = :lane_id and at = :at);
-- postgres:
insert into attempt(day, shop_id, event_id, lane_id, id, generation, at, milliseconds, status, outcome, reason, late)
select r.day, r.shop_id, r.event_id, r.lane_id, r.id, r.generation, r.at, r.milliseconds, r.status, r.outcome, r.reason,
  r.late
from {rows} r join day d on d.day = r.day
where not exists (select 1 from attempt a
  where a.day = r.day and a.event_id = r.event_id and a.lane_id = r.lane_id and a.at = r.at);

-- name: settle_deliveries
-- rows: day bigint, event_id bigint, lane_id bigint, attempts bigint, generation bigint, state bigint, due_at bigint, counts bigint, open_since bigint, reason text
-- The state after a try, unless something else has moved the delivery since it was loaded.
update delivery set state = :state, due_at = :due_at, attempts = attempts + :counts, open_since = :open_since,
  reason = :reason
where day = :day and event_id = :event_id and lane_id = :lane_id
  and state = 0 and attempts = :attempts and generation = :generation;
-- postgres:
update delivery d set state = r.state, due_at = r.due_at, attempts = d.attempts + r.counts, open_since = r.open_since,
  reason = r.reason
from {rows} r
where d.day = r.day and d.event_id = r.event_id and d.lane_id = r.lane_id
  and d.state + 0 = 0 and d.attempts = r.attempts and d.generation = r.generation;

-- name: settle_and_tell
-- rows: day bigint, event_id bigint, lane_id bigint, attempts bigint, generation bigint, state bigint, due_at bigint, counts bigint, open_since bigint, reason text
-- The same, and which were moved: only for those is more to be written.
update delivery set state = :state, due_at = :due_at, attempts = attempts + :counts, open_since = :open_since,
  reason = :reason
where day = :day and event_id = :event_id and lane_id = :lane_id
  and state = 0 and attempts = :attempts and generation = :generation
returning event_id, lane_id;
-- postgres:
update delivery d set state = r.state, due_at = r.due_at, attempts = d.attempts + r.counts, open_since = r.open_since,
  reason = r.reason
from {rows} r
where d.day = r.day and d.event_id = r.event_id and d.lane_id = r.lane_id
  and d.state + 0 = 0 and d.attempts = r.attempts and d.generation = r.generation
returning d.event_id, d.lane_id;

-- name: find_deliveries
-- rows: event_id bigint, lane_id bigint
-- On which day they stand now, those that are still there; none moves or goes before the commit.
select day, event_id, lane_id from delivery
where day in (select day from day) and event_id = :event_id and lane_id = :lane_id;
-- postgres:
select d.day, d.event_id, d.lane_id
from {rows} r join delivery d on d.day = any(array(select day from day)) and d.event_id = r.event_id and d.lane_id = r.lane_id
for key share of d;

-- name: keep_health
-- rows: lane_id bigint, token bigint, window_size bigint, failures bigint, failed_subjects text, closed_at bigint, closed_time bigint, probes bigint, warned bigint, given_up_at bigint, hold_until bigint, crashes bigint
-- How the lane is, while it stays owned. A pause (hold for ever) is for people to end.
update lane set window_size = :window_size, failures = :failures, failed_subjects = :failed_subjects, closed_at = :closed_at,
  closed_time = :closed_time, probes = :probes, warned = :warned, given_up_at = :given_up_at, crashes = :crashes,
  hold_until = case when hold_until = 4611686018427387904 then hold_until else :hold_until end,
  started_event_id = null
where id = :lane_id and lease_token is :token;
-- postgres:
update lane l set window_size = r.window_size, failures = r.failures, failed_subjects = r.failed_subjects,
  closed_at = r.closed_at, closed_time = r.closed_time, probes = r.probes, warned = r.warned, given_up_at = r.given_up_at,
  crashes = r.crashes,
  hold_until = case when l.hold_until = 4611686018427387904 then l.hold_until else r.hold_until end,
  started_event_id = null
from {rows} r where l.id = r.lane_id and l.lease_token = r.token;

-- Release: give lanes back -----------------------------------------------------------------------------------------

-- name: release_lanes
-- rows: lane_id bigint, token bigint, window_size bigint, failures bigint, crashes bigint
-- Whoever looks next does so when the earliest pending delivery is due; a lane with more to do goes to the tail.
update lane set lease_token = null, crashes = :crashes, started_event_id = null, window_size = :window_size,
  failures = :failures, rested_at = :now,
  wake_at = {greatest}(hold_until, coalesce({least}(
    coalesce((select min(due_at) from delivery where lane_id = :lane_id and state = 0 and rank = 0), 4611686018427387904),
    coalesce((select min(due_at) from delivery where lane_id = :lane_id and state = 0 and rank = 1), 4611686018427387904)),
    4611686018427387904), :now)
where id = :lane_id and lease_token is :token;
-- postgres:
update lane l set lease_token = null, crashes = r.crashes, started_event_id = null, window_size = r.window_size,
  failures = r.failures, rested_at = :now,
  wake_at = greatest(l.hold_until, :now, least(4611686018427387904,
    (select due_at from delivery where lane_id = r.lane_id and state = 0 and rank = 0 order by due_at limit 1),
    (select due_at from delivery where lane_id = r.lane_id and state = 0 and rank = 1 order by due_at limit 1)))
from {rows} r where l.id = r.lane_id and l.lease_token = r.token;

-- name: recheck_lanes
-- rows: lane_id bigint
-- After the release is committed, in a new snapshot: an append that the release could not see is seen here, or its own
-- ring sees the released lane. A lane that is due already keeps its place at the tail.
update lane set wake_at = wake_at where false and id = :lane_id;
-- postgres:
with found as (
  select l.id, d.due_at from {rows} r join lane l on l.id = r.lane_id cross join lateral (
    select least(
      (select due_at from delivery where lane_id = r.lane_id and state = 0 and rank = 0 order by due_at limit 1),
      (select due_at from delivery where lane_id = r.lane_id and state = 0 and rank = 1 order by due_at limit 1)) as due_at
  ) d
  where l.lease_token is null and d.due_at is not null and l.wake_at > greatest(d.due_at, l.hold_until, :now)
  order by l.id for no key update of l
)
update lane l set wake_at = greatest(found.due_at, l.hold_until, :now) from found where l.id = found.id;

-- name: lanes_with_work
-- The sweep: every lane that has pending work, one step of the index each.
with recursive found(lane_id) as (
  select * from (select lane_id from delivery where state = 0 order by lane_id limit 1) f
  union all
  select (select lane_id from delivery d where d.state = 0 and d.lane_id > found.lane_id order by d.lane_id limit 1)
  from found where found.lane_id is not null
)
select lane_id from found where lane_id is not null;

-- name: sweep_lanes
-- rows: lane_id bigint
-- Ring for what the ring of its append has not: only lanes that would sleep past their earliest delivery. On SQLite, where
-- a new performer sweeps, a dead one has had them in its memory: counted.
update lane set crashes = crashes + 1, wake_at = {greatest}(:now, hold_until,
  (select min(due_at) from delivery where lane_id = :lane_id and state = 0 and rank in (0, 1)))
where id = :lane_id and lease_token is null and wake_at > {greatest}(:now, hold_until,
  (select min(due_at) from delivery where lane_id = :lane_id and state = 0 and rank in (0, 1)));
-- postgres:
with found as (
  select l.id, d.due_at from {rows} r join lane l on l.id = r.lane_id cross join lateral (
    select least(
      (select due_at from delivery where lane_id = r.lane_id and state = 0 and rank = 0 order by due_at limit 1),
      (select due_at from delivery where lane_id = r.lane_id and state = 0 and rank = 1 order by due_at limit 1)) as due_at
  ) d
  where l.lease_token is null and d.due_at is not null and l.wake_at > greatest(d.due_at, l.hold_until, :now)
  order by l.id for no key update of l
)
update lane l set wake_at = greatest(found.due_at, l.hold_until, :now) from found where l.id = found.id;

-- What people do ---------------------------------------------------------------------------------------------------

-- name: pause_lanes
-- rows: lane_id bigint
-- Nobody looks until somebody resumes; an owner sees it with its next transaction.
update lane set hold_until = 4611686018427387904,
  wake_at = case when lease_token is null then 4611686018427387904 else wake_at end
where id = :lane_id;

-- name: resume_lanes
-- rows: lane_id bigint
-- Look again now. What was given up is tried again, first by one probe.
update lane set hold_until = 0, given_up_at = null,
  warned = case when given_up_at is not null then 0 else warned end,
  probes = case when given_up_at is not null then 0 else probes end,
  failed_subjects = case when given_up_at is not null then '' else failed_subjects end,
  closed_time = closed_time + case when given_up_at is not null and closed_at is not null then :now - closed_at else 0 end,
  closed_at = case when given_up_at is not null then null else closed_at end,
  failures = case when given_up_at is not null then 0 else failures end,
  window_size = case when given_up_at is not null then 1 else window_size end,
  wake_at = case when lease_token is null then :now else wake_at end
where id = :lane_id;

-- name: skip_deliveries
-- rows: event_id bigint, lane_id bigint, reason text
-- Nobody performs these any more. What is due may be in somebody's hands.
update delivery set state = 3, reason = :reason
where day in (select day from day) and event_id = :event_id and lane_id = :lane_id
  and (state = 2 or (state = 0 and due_at > :now))
returning event_id, lane_id;
-- postgres:
update delivery d set state = 3, reason = r.reason
from {rows} r
where d.day = any(array(select day from day)) and d.event_id = r.event_id and d.lane_id = r.lane_id
  and (d.state = 2 or (d.state = 0 and d.due_at > :now))
returning d.event_id, d.lane_id;

-- name: replay_deliveries
-- rows: event_id bigint, lane_id bigint, rank bigint
-- The same delivery once more: a new generation, behind what is live. One that is still pending is left alone.
update delivery set state = 0, rank = :rank, due_at = :now, attempts = 0, generation = generation + 1, reason = null,
  open_since = null
where day in (select day from day) and event_id = :event_id and lane_id = :lane_id and state > 0
returning event_id, lane_id;
-- postgres:
update delivery d set state = 0, rank = r.rank, due_at = :now, attempts = 0, generation = d.generation + 1, reason = null,
  open_since = null
from {rows} r
where d.day = any(array(select day from day)) and d.event_id = r.event_id and d.lane_id = r.lane_id and d.state > 0
returning d.event_id, d.lane_id;

-- name: count_one_more
-- rows: day bigint, event_id bigint, lane_id bigint
-- An event gets one more delivery, unless it has one in that lane. Where a day moves meanwhile, its row is locked first.
update event set fan_out = fan_out + 1
where day = :day and id = :event_id
  and not exists (select 1 from delivery where day = :day and event_id = :event_id and lane_id = :lane_id)
returning day, id;
-- postgres:
update event e set fan_out = e.fan_out + 1 from {rows} r
where e.day = r.day and e.id = r.event_id
  and not exists (select 1 from delivery d where d.day = r.day and d.event_id = r.event_id and d.lane_id = r.lane_id)
returning e.day, e.id;

-- name: insert_late
-- rows: day bigint, event_id bigint, lane_id bigint, rank bigint
-- And here it is, due at once.
insert into delivery(day, shop_id, event_id, lane_id, subject, due_at, rank)
select day, shop_id, id, :lane_id, subject, :now, :rank from event where day = :day and id = :event_id;
-- postgres:
insert into delivery(day, shop_id, event_id, lane_id, subject, due_at, rank)
select e.day, e.shop_id, e.id, r.lane_id, e.subject, :now, r.rank from {rows} r join event e on e.day = r.day and e.id = r.event_id;

-- Chores -----------------------------------------------------------------------------------------------------------

-- name: take_chore
-- Housekeeping for one process at a time: nothing comes back when it is somebody else's until later.
insert into chore(name, until) values (:name, :now + :span)
on conflict (name) do update set until = excluded.until where chore.until <= :now
returning until;

-- name: keep_time
-- The latest time that was seen.
update clock set seen = :now where seen < :now;

-- name: time_seen
-- For a clock that was set back while nobody looked.
select seen from clock;

-- name: open_day
-- From now on rows are placed here.
insert into day(day) values (:day) on conflict (day) do nothing;

-- name: make_day
-- A place for the rows of a day, before it is opened.
select :day as day;
-- postgres:
select open_day(:day);

-- name: list_days
-- The days there are, oldest first.
select day from day order by day;

-- name: kept_of_day
-- rows: day bigint, failed_since bigint, after bigint, most bigint
-- What outlives its day: events with pending work, or with a failure that is young enough.
select distinct event_id from delivery
where day = :day and event_id > :after
  and (state = 0 or (state = 2 and event_id >= :failed_since))
order by event_id limit :most;
-- postgres:
select distinct k.event_id from {rows} r cross join lateral (
  (select event_id from delivery where day = r.day and state = 0 limit r.most)
  union all
  (select event_id from delivery where day = r.day and state = 2 and event_id >= r.failed_since limit r.most)
) k;

-- name: pending_of_events
-- rows: day bigint, event_id bigint
-- What of them somebody might have loaded.
select event_id, lane_id, due_at - :now as wait from delivery
where day = :day and event_id = :event_id and state = 0;

-- name: lock_free_lanes
-- rows: lane_id bigint
-- The lanes among these that nobody owns; nobody leases them before the commit.
select id from lane where id = :lane_id and lease_token is null;
-- postgres:
select l.id from {rows} r join lane l on l.id = r.lane_id where l.lease_token is null
order by l.id for no key update of l skip locked;

-- name: move_events
-- rows: day bigint, event_id bigint, newest bigint
-- Copied forward, to the newest day.
update event set day = :newest where day = :day and id = :event_id;
-- postgres:
update event e set day = r.newest from {rows} r where e.day = r.day and e.id = r.event_id;

-- name: move_deliveries
-- rows: day bigint, event_id bigint, newest bigint
-- All of an event's deliveries, so that its fan-out stays true.
update delivery set day = :newest where day = :day and event_id = :event_id;
-- postgres:
update delivery d set day = r.newest from {rows} r where d.day = r.day and d.event_id = r.event_id;

-- name: move_attempts
-- rows: day bigint, event_id bigint, newest bigint
-- And what is on record of them.
update attempt set day = :newest where day = :day and event_id = :event_id;
-- postgres:
update attempt a set day = r.newest from {rows} r where a.day = r.day and a.event_id = r.event_id;

-- name: old_events
-- What can go, a step at a time. PostgreSQL drops the whole day instead.
select e.id from event e
where e.day = :day and not exists (
  select 1 from delivery d where d.day = e.day and d.event_id = e.id
    and (d.state = 0 or (d.state = 2 and d.event_id >= :failed_since)))
order by e.id limit :most;
-- postgres:
select id from event where false and day = :day and id >= :failed_since limit :most;

-- name: delete_attempts
-- rows: day bigint, event_id bigint
-- By the key's beginning.
delete from attempt where day = :day and event_id = :event_id;

-- name: delete_deliveries
-- rows: day bigint, event_id bigint
-- By the key's beginning.
delete from delivery where day = :day and event_id = :event_id;

-- name: delete_events
-- rows: day bigint, event_id bigint
-- Last, so that what is left of a crash has its event.
delete from event where day = :day and id = :event_id;

-- name: lock_day
-- Nobody re-opens anything of this day while it is dropped.
select :day as day;
-- postgres:
select lock_day(:day);

-- name: anything_kept
-- A replay may have re-opened something since we looked. On SQLite a day goes empty, or not at all.
select 1 as kept from event where day = :day and (:failed_since is not null) limit 1;
-- postgres:
select 1 as kept from delivery
where day = :day and (state = 0 or (state = 2 and event_id >= :failed_since)) limit 1;

-- name: drop_day
-- The rows are gone with it; on SQLite they went a step at a time.
delete from day where day = :day;
-- postgres:
select drop_day(:day);

-- name: delete_event_keys
-- Keys whose events are gone with their day.
delete from event_key where (shop_id, key) in (
  select k.shop_id, k.key from event_key k
  where k.event_id > :after and k.event_id < :before and not exists (
    select 1 from event e where e.day in (select day from day) and e.id = k.event_id)
  order by k.event_id limit :most
)
returning event_id;
