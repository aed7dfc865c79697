-- What of an order, beside its state, a handler was told: when it is another one, those that ask for it are told again.
alter table ledger add column mark text;
