-- Jobs that do many things again: deliveries, arrivals or runs.

-- name: insert_resending
-- Somebody wants many things done again.
insert into resending(id, shop_id, box, made_by, made_at, filter, cursor, sent, seen_at, per_second, next_at, found, whole)
values (:id, :shop_id, :box, :made_by, :now, :filter, '', 0, :now, :per_second, :now, :found, :whole);

-- name: get_resending
-- How far one has come.
select id, shop_id, made_by, made_at, filter, cursor, sent, seen_at, ended_at, cancelled, per_second, next_at, found, whole, box
from resending where id = :id;

-- name: list_resendings
-- The latest of them; shop 0 sees every shop's.
select id, shop_id, made_by, made_at, filter, cursor, sent, seen_at, ended_at, cancelled, per_second, next_at, found, whole, box
from resending where id < :before and (:box = 0 or box = :box) and (:shop_id = 0 or shop_id = :shop_id) order by id desc limit :rows;

-- name: next_resending
-- The one whose next step has waited longest.
select id, shop_id, made_by, made_at, filter, cursor, sent, seen_at, ended_at, cancelled, per_second, next_at, found, whole, box
from resending where ended_at is null and box = :box and next_at <= :now order by next_at limit 1;

-- name: move_resending
-- A step further, before its deliveries are re-opened in the same transaction. Nothing comes back when somebody else has
-- taken this step, or the job has ended.
update resending set cursor = :cursor, seen_at = :now, ended_at = case when :last = 1 then cast(:now as bigint) end
where id = :id and ended_at is null and cursor = :seen returning id;

-- name: count_resending
-- What the step has sent, and when the next one may be taken: a pause is not made up for by more than a second's worth.
update resending set sent = sent + :sent,
  next_at = {greatest}(next_at, :now - 1000000) + cast(:sent as bigint) * 1000000 / per_second
where id = :id;

-- name: cancel_resending
-- What was sent again stays so.
update resending set ended_at = :now, cancelled = 1 where id = :id and ended_at is null returning id;
