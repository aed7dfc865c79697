-- Events from any language, in the transaction in which they happen: a row in the table `intake`. SQLite, with a table
-- `orders` of yours in Ombud's file. The writer's SQLite must be 3.51.3 or newer; an older one is refused (the WAL-reset
-- bug), and then POST /v1/events is the way.

-- With each connection: wait for other writers, and let a commit be on the disk.
pragma busy_timeout = 5000;
pragma synchronous = full;

-- Then with each change. Both are stored, or neither is; the event leaves within a fifth of a second.
begin immediate;
update orders set paid = 1 where id = 90017;
insert into intake(type, object_id, event_key) values ('order.new', '90017', 'order-90017-paid');
commit;

-- Or let the database do it, whichever program changes the table:
create trigger paid after update of paid on orders when new.paid and not old.paid
begin
  insert into intake(type, object_id, event_key) values ('order.new', new.id, 'order-' || new.id || '-paid');
end;
