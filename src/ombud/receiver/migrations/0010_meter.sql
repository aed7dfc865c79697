-- Counts by shop and hour (`since`: its start): from what handlers have learned of changes, and for what the shop's API was
-- asked. What reconciliation has found was lost on its way here.
create table meter(
  shop_id integer not null,
  since   integer not null,
  what    text    not null,
  amount  integer not null,
  primary key (shop_id, since, what)
) without rowid;
