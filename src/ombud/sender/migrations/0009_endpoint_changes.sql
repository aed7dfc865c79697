-- On PostgreSQL each change adds a row to `endpoint_version` and takes away those that it sees, but for what others are
-- taking away: nobody waits for anybody. All numbers together tell whether something has changed.
-- postgres:
insert into endpoint_version(version) values (0);

create function note_endpoint_change() returns trigger language plpgsql set search_path from current as $$
begin
  delete from endpoint_version where ctid = any(array(select ctid from endpoint_version for update skip locked));
  insert into endpoint_version(version) values (floor(random() * 9e18)::bigint);
  return null;
end $$;

create trigger endpoint_changed after insert or update or delete or truncate on endpoint
for each statement execute function note_endpoint_change();

create trigger subscription_changed after insert or update or delete or truncate on subscription
for each statement execute function note_endpoint_change();
-- end
