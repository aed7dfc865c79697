-- Where any program may say that something happened, in a transaction of its own: it becomes an event when that is stored,
-- and its row goes. `refused`: why it cannot be an event; such a row stays until somebody looks.
-- sqlite:
create table intake(
  id        integer not null primary key autoincrement,
  shop      integer not null default 1,
  type      text    not null,
  object_id text    not null,
  event_key text,
  refused   text
);

-- A writer with the WAL-reset bug (SQLite 3.7.0 to 3.51.2, but for 3.44.6 and 3.50.7 and what followed them) may undo what
-- others have committed: https://www.sqlite.org/wal.html#walresetbug
create trigger intake_writer before insert on intake
when cast(substr(sqlite_version(), 3) as integer) * 1000
    + cast(substr(sqlite_version(), instr(substr(sqlite_version(), 3), '.') + 3) as integer) not between 51003 and 9999999
  and cast(substr(sqlite_version(), 3) as integer) * 1000
    + cast(substr(sqlite_version(), instr(substr(sqlite_version(), 3), '.') + 3) as integer) not between 50007 and 50999
  and cast(substr(sqlite_version(), 3) as integer) * 1000
    + cast(substr(sqlite_version(), instr(substr(sqlite_version(), 3), '.') + 3) as integer) not between 44006 and 44999
begin
  select raise(abort, 'The SQLite of this program is older than 3.51.3 and can lose what others have stored (the WAL-reset bug). Use POST /v1/events, or a newer SQLite.');
end;
-- end

-- postgres:
create table intake(
  id        bigint generated always as identity primary key,
  shop      bigint not null default 1,
  type      text   not null,
  object_id text   not null,
  event_key text,
  refused   text
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
-- end

create index intake_waiting on intake(id) where refused is null;
