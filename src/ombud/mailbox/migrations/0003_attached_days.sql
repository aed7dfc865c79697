-- A day is made beside the tables and attached, so that nobody who reads or writes them waits for it: to create it as
-- their part would lock them whole.

-- postgres:
create or replace function open_day(opened bigint) returns void language plpgsql as $$
declare
  parent text;
  part text;
begin
  perform pg_advisory_xact_lock(hashtext('ombud'), hashtext('open_day'));
  foreach parent in array array['event', 'delivery', 'attempt'] loop
    part := format('%s_%s', parent, opened);
    if to_regclass(part) is null then
      execute format('create table %s (like %s including defaults including constraints)', part, parent);
      if parent = 'delivery' then
        execute format('alter table %s set (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02,
          autovacuum_vacuum_cost_delay = 0)', part);
      end if;
      execute format('alter table %s attach partition %s for values in (%s)', parent, part, opened);
    end if;
  end loop;
end $$;
-- end
