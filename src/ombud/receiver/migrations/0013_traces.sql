-- Where a run has failed: the traceback of its last failure.
create table trace(
  event_id integer not null,
  lane_id  integer not null,
  at       integer not null,
  text     text    not null,
  primary key (event_id, lane_id)
) without rowid;
