-- The counts of lanes by the hour: a page that looks back a day or a week reads 24 or 168 rows of a lane, which stand far
-- apart, not a thousand. Those of ten minutes are kept for some hours alone.
create table tally_hours(
  lane_id     integer not null,
  since       integer not null,
  done        integer not null,
  failed      integer not null,
  last_at     integer not null,
  last_status integer,
  ms_10       integer not null,
  ms_25       integer not null,
  ms_50       integer not null,
  ms_100      integer not null,
  ms_250      integer not null,
  ms_500      integer not null,
  ms_1000     integer not null,
  ms_2500     integer not null,
  ms_5000     integer not null,
  ms_10000    integer not null,
  ms_more     integer not null,
  primary key (lane_id, since)
) without rowid;

insert into tally_hours(lane_id, since, done, failed, last_at, last_status, ms_10, ms_25, ms_50, ms_100, ms_250, ms_500, ms_1000, ms_2500, ms_5000, ms_10000, ms_more)
select lane_id, since - since % 3600000000, sum(done), sum(failed), max(last_at), max(last_status),
  sum(ms_10), sum(ms_25), sum(ms_50), sum(ms_100), sum(ms_250), sum(ms_500), sum(ms_1000), sum(ms_2500), sum(ms_5000), sum(ms_10000), sum(ms_more)
from tally where lane_id > 0 group by lane_id, since - since % 3600000000;

create index tally_hours_since on tally_hours(since);
create index tally_hours_failed on tally_hours(since) where failed > 0;
create index tally_lanes on tally(since) where lane_id > 0;
drop index tally_since;
