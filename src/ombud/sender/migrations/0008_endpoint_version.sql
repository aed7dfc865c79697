-- Another number whenever an endpoint or what it wants has changed, whatever program did it: until then what was read of
-- them holds. A random one, so that what a transaction has read that was undone is never taken for what came after it.
-- On PostgreSQL it has no row: all who change an endpoint would wait for each other there, and endpoints are read each time.
create table endpoint_version(version integer not null);

-- sqlite:
insert into endpoint_version(version) values (random());

create trigger endpoint_added after insert on endpoint begin
  update endpoint_version set version = random();
end;

create trigger endpoint_changed after update on endpoint begin
  update endpoint_version set version = random();
end;

create trigger endpoint_gone after delete on endpoint begin
  update endpoint_version set version = random();
end;

create trigger subscription_added after insert on subscription begin
  update endpoint_version set version = random();
end;

create trigger subscription_changed after update on subscription begin
  update endpoint_version set version = random();
end;

create trigger subscription_gone after delete on subscription begin
  update endpoint_version set version = random();
end;
-- end
