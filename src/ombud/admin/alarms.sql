-- Alarms: what is wrong, who is told, and what is still to be told.

-- name: known_alarms
-- All that are not over: what was told must be known to be told once.
select id, cause, about, facts as text, seen_at, began_at, missed_at from alarm where ended_at is null order by id;

-- name: insert_alarm
-- It may be nothing. Somebody else may have seen it at the same moment.
insert into alarm(id, cause, about, shop_id, since, facts, seen_at)
values (:id, :cause, :about, :shop_id, :since, :facts, :now)
on conflict (cause, about) where ended_at is null do nothing;

-- name: begin_alarm
-- It is one; nothing comes back when somebody else has said so.
update alarm set began_at = :now where id = :id and began_at is null and ended_at is null returning id, cause, shop_id;

-- name: see_alarm_again
-- It was away for a moment.
update alarm set missed_at = null where id = :id and ended_at is null;

-- name: miss_alarm
-- Nothing is seen of it, for now.
update alarm set missed_at = :now where id = :id and missed_at is null and ended_at is null;

-- name: end_alarm
-- It is over; nothing comes back when somebody else has said so.
update alarm set ended_at = :now where id = :id and ended_at is null returning id, cause, shop_id;

-- name: drop_alarm
-- It was nothing.
delete from alarm where id = :id and began_at is null;

-- name: set_facts
-- How it stands now.
update alarm set facts = :facts where id = :id and ended_at is null;

-- name: forget_alarms
-- What is over for longer than any page looks back, a bounded number at a time, unless somebody must still hear of it.
delete from alarm where id in (
  select a.id from alarm a where a.ended_at < :before
    and not exists (select 1 from alarm_message m where m.alarm_id = a.id) order by a.ended_at limit :most);

-- name: present_alarms
-- Those that are not over, newest first, that a shop sees.
select id, cause, about, shop_id, since, facts, began_at, ended_at from alarm
where ended_at is null and began_at is not null and (:shop_id = 0 or shop_id = :shop_id) order by began_at desc limit :rows;

-- name: alarms_before
-- Those that were alarms, newest first; ids grow with time.
select id, cause, about, shop_id, since, facts, began_at, ended_at from alarm
where began_at is not null and id < :before and (:shop_id = 0 or shop_id = :shop_id) order by id desc limit :rows;

-- name: channels_of_shop
-- Who is told of something in a shop: its own channels, and those of every shop.
select id, causes from alarm_channel where enabled = 1 and shop_id in (0, :shop_id) order by id;

-- name: insert_message
-- To be told, once.
insert into alarm_message(channel_id, alarm_id, phase, created_at) values (:channel_id, :alarm_id, :phase, :now)
on conflict (channel_id, alarm_id, phase) do nothing;

-- Channels -----------------------------------------------------------------------------------------------------------

-- name: insert_channel
-- A new one.
insert into alarm_channel(id, shop_id, kind, target, name, causes, language, zone, quiet_from, quiet_until, enabled,
  created_at, updated_at)
values (:id, :shop_id, :kind, :target, :name, :causes, :language, :zone, :quiet_from, :quiet_until, :enabled, :now, :now);

-- name: update_channel
-- An edit; what waits for it is tried with the next look.
update alarm_channel set name = :name, causes = :causes, language = :language, zone = :zone,
  quiet_from = :quiet_from, quiet_until = :quiet_until, enabled = :enabled, updated_at = :now, next_at = 0
where id = :id;

-- name: delete_channel
-- Nobody is told there any more.
delete from alarm_channel where id = :id;

-- name: delete_messages_of_channel
-- And nothing waits.
delete from alarm_message where channel_id = :id;

-- name: count_channels
-- For the limit.
select count(*) as channels from alarm_channel where shop_id = :shop_id;

-- name: get_channel
-- One of them.
select id, shop_id, kind, target, name, causes, language, zone, quiet_from, quiet_until, enabled, created_at, updated_at,
  next_at, sent_at, failures, failed_at, reason,
  (select count(*) from alarm_message m where m.channel_id = c.id) as waiting
from alarm_channel c where id = :id;

-- name: list_channels
-- A page of those that a caller sees, newest first.
select id, shop_id, kind, target, name, causes, language, zone, quiet_from, quiet_until, enabled, created_at, updated_at,
  next_at, sent_at, failures, failed_at, reason,
  (select count(*) from alarm_message m where m.channel_id = c.id) as waiting
from alarm_channel c where (:shop_id = 0 or shop_id = :shop_id) and id < :before order by id desc limit :rows;

-- Telling ------------------------------------------------------------------------------------------------------------

-- name: channels_to_tell
-- Those for which something waits, and that nobody serves now.
select c.id, c.kind, c.target, c.language, c.zone, c.quiet_from, c.quiet_until, c.failures, c.updated_at
from (select distinct channel_id from alarm_message) m join alarm_channel c on c.id = m.channel_id
where c.enabled = 1 and c.next_at <= :now and c.claimed_until <= :now
order by c.next_at, c.id limit :rows;

-- name: anything_to_tell
-- Whether there are any.
select 1 as one from (select distinct channel_id from alarm_message) m join alarm_channel c on c.id = m.channel_id
where c.enabled = 1 and c.next_at <= :now and c.claimed_until <= :now limit 1;

-- name: put_channel_off
-- Until its quiet hours end, unless somebody has edited it since they were read.
update alarm_channel set next_at = :until where id = :id and updated_at = :updated_at;

-- name: claim_channel
-- Nothing comes back when somebody else serves it.
update alarm_channel set claimed_until = :until
where id = :id and enabled = 1 and next_at <= :now and claimed_until <= :now returning id;

-- name: messages_of_channel
-- What it has not told, oldest first.
select m.alarm_id, m.phase, a.cause, a.since, a.facts, a.ended_at
from alarm_message m join alarm a on a.id = m.alarm_id
where m.channel_id = :id order by m.created_at, m.alarm_id, m.phase limit :rows;

-- name: delete_message
-- rows: channel_id bigint, alarm_id bigint, phase text
-- It is told.
delete from alarm_message where channel_id = :channel_id and alarm_id = :alarm_id and phase = :phase;
-- postgres:
delete from alarm_message m using {rows} r where m.channel_id = r.channel_id and m.alarm_id = r.alarm_id and m.phase = r.phase;

-- name: note_sent
-- It works. Nothing more is sent for a while; what happens meanwhile is told together.
update alarm_channel set claimed_until = 0, next_at = :next_at, sent_at = :now, failures = 0, failed_at = null, reason = null
where id = :id and claimed_until = :claimed_until;

-- name: note_failed
-- It is down, since the first time.
update alarm_channel set claimed_until = 0, next_at = :next_at, failures = failures + 1,
  failed_at = coalesce(failed_at, :now), reason = :reason
where id = :id and claimed_until = :claimed_until;

-- name: drop_old_messages
-- What nobody could be told for so long is no news.
delete from alarm_message where channel_id = :id and created_at < :before;

-- name: begin_test
-- Nothing comes back when one was made a moment ago.
update alarm_channel set tested_at = :now where id = :id and tested_at <= :before returning id;

-- name: test_sent
-- It works: what waits is told now.
update alarm_channel set next_at = 0, sent_at = :now, failures = 0, failed_at = null, reason = null where id = :id;

-- name: test_failed
-- It is down.
update alarm_channel set failed_at = coalesce(failed_at, :now), reason = :reason where id = :id;

-- What a sender's endpoints suffer -----------------------------------------------------------------------------------

-- name: failing_now
-- Those of which every try fails, the longest first.
select id, shop_id, url, closed_since as since from endpoint
where closed_since is not null and enabled = 1 and deleted_at is null order by closed_since limit :rows;

-- name: disabled_now
-- Those that were disabled by themselves, the latest first.
select id, shop_id, url, disabled_at as since, disabled_reason as reason from endpoint
where enabled = 0 and disabled_reason is not null and deleted_at is null order by disabled_at desc limit :rows;

-- name: insert_dead_letter
-- In the transaction in which it dies; a row of its own, so that no two wait for each other.
insert into dead_letter(event_id, endpoint_id, shop_id, at) values (:event_id, :endpoint_id, :shop_id, :at)
on conflict (event_id, endpoint_id, at) do nothing;

-- name: any_dead_letter
-- Whether there are any to count.
select 1 as one from dead_letter limit 1;

-- name: take_dead_letters
-- Some of them; they are counted in this transaction.
delete from dead_letter where (event_id, endpoint_id, at) in (
  select event_id, endpoint_id, at from dead_letter limit :rows)
returning endpoint_id, shop_id, at;
-- postgres:
delete from dead_letter where (event_id, endpoint_id, at) in (
  select event_id, endpoint_id, at from dead_letter limit :rows for update skip locked)
returning endpoint_id, shop_id, at;

-- name: count_dead_letters
-- rows: endpoint_id bigint, since bigint, shop_id bigint, amount bigint, first_at bigint
-- By the hour.
insert into dead_letter_hours(endpoint_id, since, shop_id, amount, first_at)
values (:endpoint_id, :since, :shop_id, :amount, :first_at)
on conflict (endpoint_id, since) do update set amount = dead_letter_hours.amount + excluded.amount,
  first_at = {least}(dead_letter_hours.first_at, excluded.first_at);
-- postgres:
insert into dead_letter_hours(endpoint_id, since, shop_id, amount, first_at)
select r.endpoint_id, r.since, r.shop_id, r.amount, r.first_at from {rows} r
on conflict (endpoint_id, since) do update set amount = dead_letter_hours.amount + excluded.amount,
  first_at = {least}(dead_letter_hours.first_at, excluded.first_at);

-- name: forget_dead_letters
-- What is older than anybody looks at.
delete from dead_letter_hours where since < :before;

-- name: dead_letters_since
-- How many each endpoint has, from an hour on.
select d.endpoint_id as id, max(d.shop_id) as shop_id, max(e.url) as url, cast(sum(d.amount) as bigint) as amount,
  min(d.first_at) as since
from dead_letter_hours d join endpoint e on e.id = d.endpoint_id and e.deleted_at is null
where d.since >= :from group by d.endpoint_id order by d.endpoint_id limit :rows;

-- What a box suffers -------------------------------------------------------------------------------------------------

-- name: late_work
-- Since when due work has waited in the lanes that must be looked at first. Held lanes wait on purpose, and closed ones
-- for their destination.
select min(l.due_at) as due_at from (
  select (select min(d.due_at) from delivery d where d.lane_id = lane.id and d.state = 0 and d.rank = 0) as due_at
  from lane where box = :box and wake_at < 4611686018427387904 and hold_until <= :now and closed_at is null
  order by wake_at limit :lanes
) l;

-- What the shops of an inbox suffer ----------------------------------------------------------------------------------

-- name: refused_keys
-- Shops whose API takes their key no more.
select id, name, key_refused_at as since from inbox_shop where key_refused_at is not null and paused_at is null
order by id limit :rows;

-- name: found_without_webhook
-- Orders of which the shop's list told first, by shop, from an hour on.
select m.shop_id as id, s.name, s.created_at, s.token_used_at, s.previous_token_used_at, m.since, m.amount
from meter m join inbox_shop s on s.id = m.shop_id
where m.what = 'told order reconcile' and m.since >= :from and s.paused_at is null
order by m.shop_id, m.since limit :rows;

-- name: dead_of_inbox
-- What was given up, by shop and handler (0: reads), from an hour on.
select d.shop_id, d.handler_id, max(s.name) as name, max(h.name) as handler, cast(sum(d.amount) as bigint) as amount,
  min(d.first_at) as since
from inbox_dead d join inbox_shop s on s.id = d.shop_id left join handler h on h.id = d.handler_id
where d.since >= :from group by d.shop_id, d.handler_id order by 1, 2 limit :rows;
