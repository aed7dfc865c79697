-- The life of a delivery, top to bottom. `4611686018427387904` is "never" (model.NEVER): the partial index
-- `lane_wake` is used only where its own condition is repeated.

-- name: claim_node
-- A process's share of the id space; a number comes back after 1,024 later claims.
update node set last = last + 1 returning last;

-- name: insert_lane
-- A destination's lane, asleep until something is appended for it.
insert into lane(id, box, shop_id, destination_id, slot) values (:id, :box, :shop_id, :destination_id, :slot);

-- name: insert_event
-- The fact, with the number of deliveries that are written beside it.
insert into event(shop_id, id, box, type, subject, data, created_at, fan_out)
values (:shop_id, :id, :box, :type, :subject, :data, :now, :fan_out);

-- name: insert_delivery
-- The work: due at once.
insert into delivery(shop_id, event_id, lane_id, subject, due_at)
values (:shop_id, :event_id, :lane_id, :subject, :now);

-- name: ring_lane
-- Someone must look at this lane now. Only ever lowers wake_at; a leased lane is looked at by its owner anyway.
update lane set wake_at = max(:now, hold_until)
where id = :lane_id and lease_token is null and wake_at > max(:now, hold_until);

-- name: free_leases
-- A newly elected performer is the only one of its box, so every lease it finds belongs to a dead process.
update lane set wake_at = :now
where box = :box and wake_at < 4611686018427387904 and lease_token is not null;

-- name: next_wake
-- When the next lane must be looked at.
select min(wake_at) as wake_at from lane where box = :box and wake_at < 4611686018427387904;

-- name: lease_lanes
-- Take the lanes that have waited longest. A lane that still holds a token was left by a crash: counted.
update lane set lease_token = :token, wake_at = :leased_until, crashes = crashes + (lease_token is not null)
where id in (
  select id from lane where box = :box and wake_at <= :now and wake_at < 4611686018427387904
  order by wake_at limit :lanes
)
returning id, shop_id, destination_id, lease_token as token, window_size, failures;

-- name: fence
-- The first statement of a settle: which of these leases are still mine.
select id from lane where id = :lane_id and lease_token = :token;

-- name: extend_lease
-- The owner is alive.
update lane set wake_at = :leased_until where id = :lane_id and lease_token = :token;

-- name: load_due
-- What a lane's owner may start: due, oldest first. An event that somebody deleted by hand has no type.
select d.shop_id, d.event_id, d.lane_id, e.type, d.subject, e.data, e.created_at, d.due_at, d.attempts, d.generation
from delivery d left join event e on e.shop_id = d.shop_id and e.id = d.event_id
where d.lane_id = :lane_id and d.state = 0 and d.rank = 0 and d.due_at <= :now
order by d.due_at, d.event_id limit :rows;

-- name: next_due
-- When a lane that is still owned has more to do.
select min(due_at) as due_at from delivery where lane_id = :lane_id and state = 0 and rank = 0 and due_at > :now;

-- name: insert_attempt
-- The record of a try; written even when its lease was lost.
insert into attempt(shop_id, event_id, lane_id, id, generation, at, milliseconds, status, outcome, reason, late)
values (:shop_id, :event_id, :lane_id, :id, :generation, :at, :milliseconds, :status, :outcome, :reason, :late);

-- name: settle_delivery
-- The state after a try, unless something else has moved the delivery since it was loaded.
update delivery set state = :state, due_at = :due_at, attempts = attempts + :counts, reason = :reason
where shop_id = :shop_id and event_id = :event_id and lane_id = :lane_id
  and state = 0 and attempts = :attempts and generation = :generation;

-- name: pending
-- What still waits in a lane whose destination is gone or switched off.
select shop_id, event_id, lane_id from delivery where lane_id = :lane_id and state = 0 limit :rows;

-- name: end_unstarted
-- A delivery ends without a try: its destination is closed, or a newer one of the same subject stands for it.
update delivery set state = :state, reason = :reason
where shop_id = :shop_id and event_id = :event_id and lane_id = :lane_id and state = 0;

-- name: release_lane
-- Give the lane back; whoever looks next does so when its earliest pending delivery is due.
update lane set lease_token = null, crashes = 0, failures = :failures, window_size = :window,
  wake_at = max(hold_until, coalesce(
    (select min(due_at) from delivery where lane_id = :lane_id and state = 0 and rank = 0), 4611686018427387904))
where id = :lane_id and lease_token = :token;
