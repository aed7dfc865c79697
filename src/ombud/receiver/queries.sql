-- Shops -----------------------------------------------------------------------------------------------------------

-- name: insert_shop
-- A shop, with the lane of its reader.
insert into inbox_shop(id, name, token_hash, api_key_file, reader_lane_id, created_at)
values (:id, :name, :token_hash, :api_key_file, :reader_lane_id, :now);

-- name: shop_named
-- For the one shop of the environment, and against two of a name.
select id, name, token_hash, previous_token_hash, api_key_file, reader_lane_id, baseline_at, reads_per_second, paused_at
from inbox_shop where name = :name;

-- name: set_token
-- A new token; the one before stays valid beside it.
update inbox_shop set previous_token_hash = token_hash, previous_token_used_at = token_used_at,
  token_hash = :token_hash, token_used_at = null
where id = :id;

-- name: end_previous_token
-- Only the present token is good from now on. What a rotation has put in its place meanwhile is another one.
update inbox_shop set previous_token_hash = null, previous_token_used_at = null
where id = :id and previous_token_hash = :previous_token_hash;

-- name: shop_of_token
-- Which shop a hook's token names, and when it was last noted that this one is used.
select id, name, created_at, reader_lane_id, token_hash, token_used_at as used_at, :now as now
from inbox_shop where token_hash = :token_hash
union all
select id, name, created_at, reader_lane_id, previous_token_hash as token_hash, previous_token_used_at as used_at,
  :now as now
from inbox_shop where previous_token_hash = :token_hash;

-- name: note_token_use
-- A token was used; it may have become the previous one meanwhile.
update inbox_shop set
  token_used_at = case when token_hash = :token_hash then :now else token_used_at end,
  previous_token_used_at = case when previous_token_hash = :token_hash then :now else previous_token_used_at end
where id = :id;

-- name: set_reads_per_second
-- How often its API may be read; null is the setting of the inbox.
update inbox_shop set reads_per_second = :reads_per_second where id = :id;

-- name: set_api_key_file
-- Where its API key is; null is the environment's key.
update inbox_shop set api_key_file = :api_key_file where id = :id;

-- name: set_paused
-- Since when nothing is read or called for it; null is never.
update inbox_shop set paused_at = :paused_at where id = :id;

-- name: handler_lanes_of_shop
-- The lanes in which handlers that the app has work for a shop.
select l.id from lane l join handler h on h.id = l.destination_id
where l.box = :box and l.shop_id = :shop_id and h.active = 1 order by l.id;

-- name: sources_of_shop
-- The addresses on record, those that came last first.
select address, known, first_at, last_at from inbox_source where shop_id = :shop_id order by last_at desc, address;

-- name: note_source
-- A request came from there. Of a shop no more than so many are kept.
insert into inbox_source(shop_id, address, known, first_at, last_at)
select :shop_id, :address, :known, :now, :now
where (select count(*) from inbox_source where shop_id = :shop_id) < :most
  or exists (select 1 from inbox_source where shop_id = :shop_id and address = :address)
on conflict (shop_id, address) do update set last_at = excluded.last_at;

-- name: allow_source
-- A person says that it is the shop's own; nothing need have come from there.
insert into inbox_source(shop_id, address, known, first_at) values (:shop_id, :address, 1, :now)
on conflict (shop_id, address) do update set known = 1;

-- name: forget_source
-- As if nothing had come from there.
delete from inbox_source where shop_id = :shop_id and address = :address returning address;

-- name: shop_by_id
-- A shop's name.
select name from inbox_shop where id = :id;

-- name: list_shops
-- Every shop.
select id, name, api_key_file, reader_lane_id, baseline_at, reads_per_second, paused_at from inbox_shop order by id;

-- name: set_baseline
-- What existed before is known from here on.
update inbox_shop set baseline_at = :now where id = :id;

-- name: reader_facts
-- rows: lane_id bigint
-- Behind a reader's lane: its shop.
select s.reader_lane_id as lane_id, s.id, s.name, s.api_key_file, s.reader_lane_id, s.baseline_at, s.reads_per_second,
  s.paused_at, null as closed
from inbox_shop s where s.reader_lane_id = :lane_id;
-- postgres:
select s.reader_lane_id as lane_id, s.id, s.name, s.api_key_file, s.reader_lane_id, s.baseline_at, s.reads_per_second,
  s.paused_at, null as closed
from {rows} r join inbox_shop s on s.reader_lane_id = r.lane_id;

-- Handlers --------------------------------------------------------------------------------------------------------

-- name: handler_names
-- Every handler that was ever here.
select name from handler order by name;

-- name: rename_handler
-- The same handler under another name: its ledger and its lanes follow.
update handler set name = :name where name = :old;

-- name: insert_handler
-- A handler that was never here before.
insert into handler(id, name, active, created_at) values (:id, :name, 1, :now) on conflict (name) do nothing;

-- name: retire_handlers
-- Handlers that the running app does not have are told nothing new; those that it has follow.
update handler set active = 0;

-- name: activate_handlers
-- rows: name text
-- A handler that the running app has.
update handler set active = 1 where name = :name;

-- name: begin_every
-- rows: name text, now bigint
-- A handler that has a run for each webhook, of those that come from now on.
update handler set every_at = coalesce(every_at, :now) where name = :name;

-- name: end_every
-- rows: name text
-- A handler that has a run for each change.
update handler set every_at = null where name = :name and every_at is not null;

-- name: hold_lanes
-- Nobody works the lanes of handlers that the app does not have; what waits there stays.
update lane set hold_until = 4611686018427387904,
  wake_at = case when lease_token is null then 4611686018427387904 else wake_at end
where box = :box and destination_id in (select id from handler where active = 0);

-- name: free_lanes
-- Handlers that are back are worked again, except for shops that a person has paused.
update lane set hold_until = 0, wake_at = case when lease_token is null then :now else wake_at end
where box = :box and hold_until = 4611686018427387904
  and destination_id in (select id from handler where active = 1)
  and shop_id not in (select id from inbox_shop where paused_at is not null);

-- name: handler_lane
-- The lane of a handler for one shop.
select id from lane where box = :box and shop_id = :shop_id and destination_id = :handler_id and slot = 0;

-- name: handler_facts
-- rows: lane_id bigint
-- Behind a handler's lane: its name.
select l.id as lane_id, h.id as handler_id, h.name, null as closed
from lane l join handler h on h.id = l.destination_id
where l.id = :lane_id;
-- postgres:
select l.id as lane_id, h.id as handler_id, h.name, null as closed
from {rows} r join lane l on l.id = r.lane_id join handler h on h.id = l.destination_id;

-- What is known ----------------------------------------------------------------------------------------------------

-- name: insert_reading
-- A look at the shop's API that answered.
insert into reading(shop_id, id, event_id, subject, started_at, milliseconds, status, version, listed)
values (:shop_id, :id, :event_id, :subject, :started_at, :milliseconds, :status, :version, :listed);

-- name: insert_document
-- Content that may be there already.
insert into document(shop_id, version, body, created_at) values (:shop_id, :version, :body, :now)
on conflict (shop_id, version) do nothing;

-- name: get_document
-- The content of a version.
select body from document where shop_id = :shop_id and version = :version;

-- name: latest_document
-- What a subject was at the last look; null once it is gone.
select m.version, d.body from mirror m left join document d on d.shop_id = m.shop_id and d.version = m.version
where m.shop_id = :shop_id and m.subject = :subject;

-- name: get_mirror
-- What is known of a subject.
select m.version, coalesce(m.incarnation, 0) as incarnation, m.absent_at, m.status,
  (select r.started_at from reading r where r.shop_id = s.id and r.id = m.reading_id) as looked_at,
  (select count(*) from handler h
    join ledger l on l.shop_id = s.id and l.handler_id = h.id and l.subject = :subject) as told,
  case m.baseline when 1 then s.baseline_at end as baseline_at, s.created_at as installed_at,
  (select min(e.data) from event e where e.subject = :subject and e.box > 1 and e.box = :box and e.shop_id = s.id
    and e.type in ('order.backfill', 'product.backfill')) as backfill
from inbox_shop s left join mirror m on m.shop_id = s.id and m.subject = :subject
where s.id = :shop_id;

-- name: put_mirror
-- What a look has found.
insert into mirror(shop_id, subject, version, incarnation, absent_at, reading_id, status)
values (:shop_id, :subject, :version, :incarnation, null, :reading_id, :status)
on conflict (shop_id, subject) do update set version = excluded.version, incarnation = excluded.incarnation,
  baseline = 0, absent_at = null, reading_id = excluded.reading_id, status = excluded.status;

-- name: past_of_arrival
-- What is on record before a look at an arrival's subject: looks at it, answers to it, who waits beside it and since when,
-- a look for another arrival that began so long after this one had come, and which look found it first as it is known.
select
  (select count(*) from reading r
    where r.shop_id = :shop_id and r.subject = :subject and r.event_id = :event_id) as looks,
  (select count(*) from attempt a
    where a.day = :day and a.event_id = :event_id and a.lane_id = :lane_id and a.generation = :generation
      and a.status in (200, 404)) as answers,
  (select max(e.id) from event e
    join delivery d on d.day = e.day and d.event_id = e.id and d.lane_id = :lane_id and d.state + 0 = 0
    where e.subject = :subject and e.box > 1 and e.box = :box and e.shop_id = :shop_id
      and e.id > :event_id) as newer,
  (select min(e.created_at) from event e
    where e.subject = :subject and e.box > 1 and e.box = :box and e.shop_id = :shop_id
      and e.created_at >= (select coalesce(max(r.started_at) - :quiet, 0) from reading r
        where r.shop_id = :shop_id and r.subject = :subject)) as since,
  (select max(r.id) from reading r
    where r.shop_id = :shop_id and r.subject = :subject and r.event_id <> :event_id
      and r.started_at > :created_at + :quiet) as reading_id,
  (select min(r.started_at) from reading r
    where r.shop_id = :shop_id and r.subject = :subject and r.id > (
      select coalesce(max(o.id), 0) from reading o join mirror m on m.shop_id = o.shop_id and m.subject = o.subject
      where o.shop_id = :shop_id and o.subject = :subject and o.version is distinct from m.version)) as found_at;

-- name: unread_products
-- Arrivals that wait for the first look at a product and have been quiet.
select d.subject, d.event_id from (
  select day, event_id, subject, attempts, generation from delivery
  where lane_id = :lane_id and state = 0 order by rank, due_at, event_id limit :most
) d join event e on e.day = d.day and e.id = d.event_id
where d.subject like 'product/%' and d.attempts = 0 and d.generation = 0
  and e.type <> 'product.delete' and e.created_at <= :until;

-- name: bodies_since
-- What looks at a subject have found since then, newest first.
select d.body from reading r join document d on d.shop_id = r.shop_id and d.version = r.version
where r.shop_id = :shop_id and r.subject = :subject and r.started_at >= :since order by r.id desc limit :most;

-- name: said_with
-- What the webhooks say of an order for which another arrival stands.
select e.id as event_id, e.type from event e
join delivery d on d.day = e.day and d.event_id = e.id and d.lane_id = :lane_id
where e.subject = :subject and e.box > 1 and e.box = :box and e.shop_id = :shop_id and d.state = 3
  and d.reason = :reason and e.type in ('order.new', 'order.done', 'order.cancelled');

-- name: put_baseline
-- What existed when the inbox was set up; a look that came first knows better.
insert into mirror(shop_id, subject, version, incarnation, baseline) values (:shop_id, :subject, :version, 1, 1)
on conflict (shop_id, subject) do nothing;

-- name: suspect_absent
-- Missed for the first time; a second look must prove it.
insert into mirror(shop_id, subject, absent_at) values (:shop_id, :subject, :now)
on conflict (shop_id, subject) do update set absent_at = coalesce(mirror.absent_at, excluded.absent_at);

-- name: announced
-- Whether a webhook has said this of a subject.
select 1 as yes from event
where subject = :subject and box > 1 and box = :box and shop_id = :shop_id and type = :event_type limit 1;

-- name: get_ledger
-- What a handler was told.
select epoch, holds, version, mark from ledger
where shop_id = :shop_id and handler_id = :handler_id and subject = :subject and event_type = :event_type;

-- name: put_ledger
-- What a handler is told now. Who has finished with nothing yet starts from what was known.
insert into ledger(shop_id, handler_id, subject, event_type, epoch, holds, version, mark, applied_version)
values (:shop_id, :handler_id, :subject, :event_type, :epoch, :holds, :version, :mark, coalesce((
  select applied_version from ledger where shop_id = :shop_id and handler_id = :handler_id and subject = :subject
  order by applied_at desc nulls last limit 1), :known))
on conflict (shop_id, handler_id, subject, event_type)
do update set epoch = excluded.epoch, holds = excluded.holds, version = excluded.version, mark = excluded.mark;

-- name: put_applied
-- What a handler has finished with.
update ledger set applied_version = :version, applied_at = :now
where shop_id = :shop_id and handler_id = :handler_id and subject = :subject and event_type = :event_type;

-- name: put_applied_silently
-- What a handler has finished with, when what it had finished with before was the last that was known.
update ledger set applied_version = :version
where shop_id = :shop_id and handler_id = :handler_id and subject = :subject
  and applied_version is not distinct from :known;

-- name: insert_own_write
-- What one of our own programs is about to write.
insert into own_write(shop_id, id, subject, fields, silent, written_at)
values (:shop_id, :id, :subject, :fields, :silent, :written_at);

-- name: own_writes
-- What was written to a subject, oldest first.
select fields, silent from own_write
where shop_id = :shop_id and subject = :subject and written_at <= :at order by id;

-- name: end_own_writes
-- A look has shown what came of them.
delete from own_write where shop_id = :shop_id and subject = :subject and written_at <= :at;

-- name: forget_own_writes
-- What no look has shown for long is not expected any more.
delete from own_write where shop_id = :shop_id and written_at < :before;

-- name: applied_version
-- What a handler last finished with, of whatever event type.
select applied_version, applied_at from ledger
where shop_id = :shop_id and handler_id = :handler_id and subject = :subject
order by applied_at desc nulls last limit 1;

-- name: applied_events
-- What of a subject any handler has finished with.
select distinct l.event_type from handler h
join ledger l on l.shop_id = :shop_id and l.handler_id = h.id and l.subject = :subject
where l.applied_at is not null;

-- name: arrivals_covered
-- The webhooks of a subject that a run answers for, oldest first.
select id from event
where subject = :subject and box > 1 and box = :box and shop_id = :shop_id and id > :after and id <= coalesce((
  select r.event_id from mirror m join reading r on r.shop_id = m.shop_id and r.id = m.reading_id
  where m.shop_id = :shop_id and m.subject = :subject), :arrival)
order by id limit :most;

-- name: arrival_before
-- What an earlier look at a subject was for.
select event_id from reading where shop_id = :shop_id and subject = :subject and event_id < :arrival
order by id desc limit 1;

-- name: last_change
-- What a handler was last told of a subject, and whether it waits for that still.
select e.data, d.state, d.attempts from event e
join delivery d on d.day = e.day and d.event_id = e.id and d.lane_id = :lane_id
where e.subject = :subject and e.box > 1 and e.box = :box and e.shop_id = :shop_id and e.type = :event_type
order by e.id desc limit 1;

-- name: arrivals_untold
-- The webhooks of a subject that say this, of which a handler has not been told, oldest first.
select e.id, e.created_at from event e
where e.subject = :subject and e.box > 1 and + e.box = :box and e.shop_id = :shop_id and e.type = :event_type
  and e.id >= :since and (e.created_at <= :until or e.id = :arrival)
  and not exists (select 1 from every_arrival t
    where t.shop_id = :shop_id and t.handler_id = :handler_id and t.event_id = e.id)
order by e.id limit :most;

-- name: insert_every
-- It is told of them.
insert into every_arrival(shop_id, handler_id, event_id) values (:shop_id, :handler_id, :event_id);

-- name: forget_every
-- Of what came so long ago nobody is told any more.
delete from every_arrival where shop_id = :shop_id and handler_id = :handler_id and event_id < :before;

-- name: active_handlers
-- Who may be told.
select id, name, every_at from handler where active = 1 order by id;

-- Reconciliation ---------------------------------------------------------------------------------------------------

-- name: sweeps
-- When lists were last read.
select shop_id, kind, swept_at, claimed_until from sweep;

-- name: claim_sweep
-- Leave to read a list, for one process at a time.
insert into sweep(shop_id, kind, claimed_until) values (:shop_id, :kind, :until)
on conflict (shop_id, kind) do update set claimed_until = excluded.claimed_until
where sweep.claimed_until <= :now and coalesce(sweep.swept_at, 0) <= :before
returning swept_at, (select created_at from inbox_shop where id = :shop_id) as created_at;

-- name: end_sweep
-- Another may read it, at once or later.
update sweep set swept_at = :at, claimed_until = :until where shop_id = :shop_id and kind = :kind;

-- name: known_subjects
-- rows: shop_id bigint, subject text, lane_id bigint, box bigint
-- What is known of what a list shows; whether a look at it is to come anyway, and whether its deletion is held.
select s.subject, m.status, m.version, m.listed_version as listed, m.listed_times as times,
  exists(select 1 from event e join delivery d on d.day = e.day and d.event_id = e.id and d.lane_id = :lane_id
    where e.subject = :subject and e.box > 1 and e.box = :box and e.shop_id = :shop_id and d.state + 0 = 0) as waits,
  exists(select 1 from event e join delivery d on d.day = e.day and d.event_id = e.id and d.lane_id = :lane_id
    where e.subject = :subject and e.box > 1 and e.box = :box and e.shop_id = :shop_id and d.state = 2
      and e.type = 'product.reconcile') as held
from (select :subject as subject) s left join mirror m on m.shop_id = :shop_id and m.subject = s.subject;
-- postgres:
select r.subject, m.status, m.version, m.listed_version as listed, m.listed_times as times,
  exists(select 1 from event e join delivery d on d.day = e.day and d.event_id = e.id and d.lane_id = r.lane_id
    where e.subject = r.subject and e.box > 1 and e.box = r.box and e.shop_id = r.shop_id and d.state + 0 = 0) as waits,
  exists(select 1 from event e join delivery d on d.day = e.day and d.event_id = e.id and d.lane_id = r.lane_id
    where e.subject = r.subject and e.box > 1 and e.box = r.box and e.shop_id = r.shop_id and d.state = 2
      and e.type = 'product.reconcile') as held
from {rows} r left join mirror m on m.shop_id = r.shop_id and m.subject = r.subject;

-- name: known_bodies
-- rows: shop_id bigint, subject text
-- What was found at the last look at what a list shows.
select m.subject, d.body from mirror m join document d on d.shop_id = m.shop_id and d.version = m.version
where m.shop_id = :shop_id and m.subject = :subject;
-- postgres:
select m.subject, d.body from {rows} r join mirror m on m.shop_id = r.shop_id and m.subject = r.subject
join document d on d.shop_id = m.shop_id and d.version = m.version;

-- name: put_open_order
-- rows: shop_id bigint, subject text, status bigint
-- An order from before the shop was known here; a look that came first knows better.
insert into mirror(shop_id, subject, status) values (:shop_id, :subject, :status) on conflict (shop_id, subject) do nothing;
-- postgres:
insert into mirror(shop_id, subject, status) select r.shop_id, r.subject, r.status from {rows} r
on conflict (shop_id, subject) do nothing;

-- name: put_listed
-- rows: shop_id bigint, subject text, version text
-- How the list has shown a product, and how often so.
update mirror set listed_version = :version,
  listed_times = case when listed_version = :version then listed_times + 1 else 1 end
where shop_id = :shop_id and subject = :subject;
-- postgres:
update mirror m set listed_version = r.version,
  listed_times = case when m.listed_version = r.version then m.listed_times + 1 else 1 end
from {rows} r where m.shop_id = r.shop_id and m.subject = r.subject;

-- name: end_listed
-- rows: shop_id bigint, subject text
-- The list shows a product as it is known.
update mirror set listed_version = null, listed_times = 0 where shop_id = :shop_id and subject = :subject;
-- postgres:
update mirror m set listed_version = null, listed_times = 0 from {rows} r
where m.shop_id = r.shop_id and m.subject = r.subject;

-- name: known_products
-- Every product that is not gone.
select subject from mirror where shop_id = :shop_id and version is not null and subject > 'product/' and subject < 'product0';

-- name: present_subjects
-- rows: shop_id bigint, subject text
-- Which of these are there, as far as anybody knows.
select subject from mirror where shop_id = :shop_id and subject = :subject and version is not null;
-- postgres:
select m.subject from {rows} r join mirror m on m.shop_id = r.shop_id and m.subject = r.subject where m.version is not null;

-- name: hold_arrival
-- rows: event_id bigint, lane_id bigint, reason text
-- A find on which nobody acts before a person has said so.
update delivery set state = 2, reason = :reason
where day in (select day from day) and event_id = :event_id and lane_id = :lane_id and state + 0 = 0;
-- postgres:
update delivery d set state = 2, reason = r.reason from {rows} r
where d.day in (select day from day) and d.event_id = r.event_id and d.lane_id = r.lane_id and d.state + 0 = 0;

-- name: head_of_lane
-- When what has waited longest was due.
select min(due_at) as due_at from delivery where lane_id = :lane_id and state = 0 and rank = 0;

-- name: put_first
-- rows: shop_id bigint, subject text, lane_id bigint, box bigint, due bigint
-- What waits about these goes before all others.
update delivery set rank = 0, due_at = :due where (day, event_id, lane_id) in (
  select d.day, d.event_id, d.lane_id from event e
  join delivery d on d.day = e.day and d.event_id = e.id and d.lane_id = :lane_id
  where e.subject = :subject and e.box > 1 and e.box = :box and e.shop_id = :shop_id and d.state + 0 = 0);
-- postgres:
update delivery u set rank = 0, due_at = r.due from {rows} r
join event e on e.subject = r.subject and e.box > 1 and e.box = r.box and e.shop_id = r.shop_id
join delivery d on d.day = e.day and d.event_id = e.id and d.lane_id = r.lane_id and d.state + 0 = 0
where u.day = d.day and u.event_id = d.event_id and u.lane_id = d.lane_id;

-- name: lower_arrivals
-- rows: event_id bigint, lane_id bigint, rank bigint
-- Finds that wait behind what webhooks say.
update delivery set rank = :rank
where day in (select day from day) and event_id = :event_id and lane_id = :lane_id and state + 0 = 0;
-- postgres:
update delivery d set rank = r.rank from {rows} r
where d.day in (select day from day) and d.event_id = r.event_id and d.lane_id = r.lane_id and d.state + 0 = 0;

-- The meter ---------------------------------------------------------------------------------------------------------

-- name: add_to_meter
-- Several processes add to the same hour.
insert into meter(shop_id, since, what, amount) values (:shop_id, :since, :what, :amount)
on conflict (shop_id, since, what) do update set amount = meter.amount + excluded.amount;

-- name: forget_meter
-- What is older than any page looks at, a bounded number at a time.
delete from meter where (shop_id, since, what) in (
  select m.shop_id, m.since, m.what from inbox_shop s join meter m on m.shop_id = s.id and m.since < :before limit :most);

-- Traces ------------------------------------------------------------------------------------------------------------

-- name: put_trace
-- The last failure of a run.
insert into trace(event_id, lane_id, at, text) values (:event_id, :lane_id, :at, :text)
on conflict (event_id, lane_id) do update set at = excluded.at, text = excluded.text;

-- name: forget_traces
-- What no run is kept of any more, a bounded number at a time.
delete from trace where (event_id, lane_id) in (
  select event_id, lane_id from trace where event_id < :before order by event_id limit :most);

-- name: owners_of_lanes
-- rows: lane_id bigint
-- Whose lanes they are.
select id, shop_id, destination_id from lane where id = :lane_id;
-- postgres:
select l.id, l.shop_id, l.destination_id from {rows} r join lane l on l.id = r.lane_id;

-- name: count_dead
-- rows: shop_id bigint, handler_id bigint, since bigint, amount bigint, first_at bigint
-- Given up, by the hour.
insert into inbox_dead(shop_id, handler_id, since, amount, first_at)
values (:shop_id, :handler_id, :since, :amount, :first_at)
on conflict (shop_id, handler_id, since) do update set amount = inbox_dead.amount + excluded.amount;
-- postgres:
insert into inbox_dead(shop_id, handler_id, since, amount, first_at)
select r.shop_id, r.handler_id, r.since, r.amount, r.first_at from {rows} r
on conflict (shop_id, handler_id, since) do update set amount = inbox_dead.amount + excluded.amount;

-- name: forget_dead
-- What is older than anybody looks at.
delete from inbox_dead where since < :before;

-- name: refuse_key
-- The shop's API takes its key no more; the first time counts.
update inbox_shop set key_refused_at = :now where id = :id and key_refused_at is null;

-- name: take_key
-- It takes it again.
update inbox_shop set key_refused_at = null where id = :id and key_refused_at is not null;

-- Budgets of several machines ------------------------------------------------------------------------------------------

-- name: put_budget_shares
-- rows: name text, node text, demand bigint, paused_until bigint, seen_at bigint
-- What this machine has asked for lately, and until when the API wants to be left alone.
insert into budget_share(name, node, demand, paused_until, seen_at)
values (:name, :node, :demand, :paused_until, :seen_at)
on conflict (name, node) do update set demand = excluded.demand, paused_until = excluded.paused_until,
  seen_at = excluded.seen_at;
-- postgres:
insert into budget_share(name, node, demand, paused_until, seen_at)
select r.name, r.node, r.demand, r.paused_until, r.seen_at from {rows} r
on conflict (name, node) do update set demand = excluded.demand, paused_until = excluded.paused_until,
  seen_at = excluded.seen_at;

-- name: budget_shares
-- What the others have asked for.
select name, demand, paused_until from budget_share where node <> :node and seen_at > :since;

-- name: forget_budget_shares
-- Machines that have asked for nothing for long.
delete from budget_share where seen_at < :before;
