-- Jobs go on by themselves, at a pace: `per_second` deliveries, the next step at `next_at`. `found`: how many the filter found
-- at the start; `whole`: whether these were all.
alter table resending add column per_second integer not null default 200;
alter table resending add column next_at integer not null default 0;
alter table resending add column found integer not null default 0;
alter table resending add column whole integer not null default 0;

create index resending_open on resending(next_at) where ended_at is null;
