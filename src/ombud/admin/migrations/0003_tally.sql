-- What came of tries, counted as they end (docs/decisions/0034): a page must not count rows. `since` is the start of ten
-- minutes, UTC microseconds. `ms_50`: tries of more than 25 and at most 50 milliseconds; `ms_more`: of more than 10 s.
create table tally(
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

create index tally_since on tally(since);
