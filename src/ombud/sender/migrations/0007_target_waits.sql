-- Lanes that have waited for a while until a place may be sent more, as the process that performs them sees it: for whoever
-- explains. True while the lane's lease is the one named. `place`: `host H`, `address A`, or `endpoint ID` for one that has
-- not acknowledged anything yet; with the limits that hold there.
create table target_wait(
  lane_id     integer not null primary key,
  lease_token integer not null,
  place       text    not null,
  connections integer not null,
  per_second  integer not null,
  since       integer not null
);
