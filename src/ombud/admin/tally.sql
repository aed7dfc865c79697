-- Counts of tries, by lane and ten minutes.

-- name: add_to_tally
-- Several processes add to the same ten minutes.
insert into tally(lane_id, since, done, failed, last_at, last_status,
  ms_10, ms_25, ms_50, ms_100, ms_250, ms_500, ms_1000, ms_2500, ms_5000, ms_10000, ms_more)
values (:lane_id, :since, :done, :failed, :last_at, :last_status,
  :ms_10, :ms_25, :ms_50, :ms_100, :ms_250, :ms_500, :ms_1000, :ms_2500, :ms_5000, :ms_10000, :ms_more)
on conflict (lane_id, since) do update set
  done = tally.done + excluded.done, failed = tally.failed + excluded.failed,
  last_at = {greatest}(tally.last_at, excluded.last_at),
  last_status = case when excluded.last_at >= tally.last_at then excluded.last_status else tally.last_status end,
  ms_10 = tally.ms_10 + excluded.ms_10, ms_25 = tally.ms_25 + excluded.ms_25, ms_50 = tally.ms_50 + excluded.ms_50,
  ms_100 = tally.ms_100 + excluded.ms_100, ms_250 = tally.ms_250 + excluded.ms_250,
  ms_500 = tally.ms_500 + excluded.ms_500, ms_1000 = tally.ms_1000 + excluded.ms_1000,
  ms_2500 = tally.ms_2500 + excluded.ms_2500, ms_5000 = tally.ms_5000 + excluded.ms_5000,
  ms_10000 = tally.ms_10000 + excluded.ms_10000, ms_more = tally.ms_more + excluded.ms_more;

-- name: tally_of_lane
-- A lane's counts from a time on, oldest first.
select lane_id, since, done, failed, last_at, last_status,
  ms_10, ms_25, ms_50, ms_100, ms_250, ms_500, ms_1000, ms_2500, ms_5000, ms_10000, ms_more
from tally where lane_id = :lane_id and since >= :from order by since;

-- name: forget_tally
-- What is older than any page looks at, a bounded number at a time.
delete from tally where (lane_id, since) in (
  select lane_id, since from tally where since < :before order by since limit :most);
