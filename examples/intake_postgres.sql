-- Events from any language, in the transaction in which they happen: a row in the table `intake`. PostgreSQL.
-- Here `shop` is the role of your program, and `orders` a table of yours in the same database.

-- Once, as the owner of Ombud's schema:
grant usage on schema ombud to shop;
grant insert (shop, type, object_id, event_key) on ombud.intake to shop;

-- Then with each change. Both are stored, or neither is. `notify` is optional: with it the event leaves at once, without it
-- within a fifth of a second.
begin;
update orders set paid = true where id = 90017;
insert into ombud.intake(type, object_id, event_key) values ('order.new', '90017', 'order-90017-paid');
notify ombud_intake;
commit;

-- Or let the database do it, whichever program changes the table:
create function say_paid() returns trigger language plpgsql as $$
begin
  insert into ombud.intake(type, object_id, event_key)
  values ('order.new', new.id::text, 'order-' || new.id || '-paid');
  perform pg_notify('ombud_intake', '');
  return null;
end $$;

create trigger paid after update of paid on orders
for each row when (new.paid and not old.paid) execute function say_paid();
