-- Figures of the whole installation, by the minute, so that no page has to add up every lane or count rows.

-- Of tries they stand in `tally` with a lane below 0: one for each process that counts (docs/decisions/0040).
create index tally_all on tally(since) where lane_id < 0;
create index tally_failed on tally(since) where failed > 0 and lane_id > 0;

-- Events that were accepted, counted behind their appends. `shop_id` -1: of every shop, by the minute; else by ten minutes.
create table accepted(
  shop_id integer not null,
  since   integer not null,
  events  integer not null,
  primary key (shop_id, since)
) without rowid;

create index accepted_since on accepted(since);

-- The first event that is not counted yet; the one row has the id 1.
create table accepted_next(
  id      integer not null primary key,
  next_id integer not null
);

-- The most deliveries that waited at once in a minute, and the longest that due work has waited: samples.
create table backlog(
  since      integer not null primary key,
  waiting    integer not null,
  oldest_ms  integer not null
);
