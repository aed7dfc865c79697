-- How often a look has found nothing where the list shows the same difference: after a few it is the list that says less.
alter table mirror add column listed_times integer not null default 0;
