-- name: lanes_for
-- rows: shop_id bigint, event_type text
-- Who must hear of an event: the shop's own endpoints and those that listen to every shop (0). A disabled endpoint is
-- among them: its deliveries end as skipped, and can be replayed. SQLite finds both kinds by their keys: without `not
-- indexed` it goes by the index of ids, and sorts. Of an endpoint of every shop events say their shop is 0.
select :shop_id as shop_id, s.event_type, e.lane_id, e.lanes, e.id
from subscription s join endpoint e not indexed on e.shop_id = s.shop_id and e.id = s.endpoint_id
where s.shop_id = :shop_id and s.event_type = :event_type and e.deleted_at is null
union all
select :shop_id, s.event_type, e.lane_id, e.lanes, e.id
from subscription s join endpoint e not indexed on e.shop_id = s.shop_id and e.id = s.endpoint_id
where s.shop_id = 0 and :shop_id <> 0 and s.event_type = :event_type and e.deleted_at is null;
-- postgres:
select r.shop_id, r.event_type, e.lane_id, e.lanes, e.id
from {rows} r cross join lateral (
  -- As one statement with the rows, an array of each row's own is no condition for an index: it read every subscription.
  select e.lane_id, e.lanes, e.id from subscription s join endpoint e on e.shop_id = s.shop_id and e.id = s.endpoint_id
  where s.shop_id in (r.shop_id, 0) and s.event_type = r.event_type and e.deleted_at is null
  offset 0
) e
order by r.shop_id, r.event_type, e.id;

-- name: lanes_of_platform
-- rows: endpoint_id bigint, box bigint
-- The lanes among which an endpoint of every shop is spread.
select destination_id, id from lane where box = :box and shop_id = 0 and destination_id = :endpoint_id order by slot;
-- postgres:
select l.destination_id, l.id from {rows} r
  join lane l on l.box = r.box and l.shop_id = 0 and l.destination_id = r.endpoint_id
order by l.destination_id, l.slot;

-- name: endpoint_version
-- While it is the same, so are all endpoints and what they want.
select version from endpoint_version;
-- postgres:
select coalesce(bit_xor(version), 0) from endpoint_version;

-- name: destination_facts
-- rows: lane_id bigint
-- The endpoint behind a lane. `until`: an older secret is good as well, for a time.
select l.id as lane_id, e.id as endpoint_id, e.url, e.headers, e.strict, e.only_200, e.authority,
  e.retry as schedule, 60000000 * e.lanes / e.rate_per_minute as pace,
  case when e.latest_only = 1 then 'product/' end as covers, e.gone_at,
  case when e.previous_until > :now then e.secret || ' ' || e.previous_secret else e.secret end as secrets,
  case when e.previous_until > :now then e.previous_until end as until,
  case when e.deleted_at is not null then 'endpoint deleted' when e.enabled = 0 then 'endpoint disabled' end as closed
from lane l join endpoint e on e.shop_id = l.shop_id and e.id = l.destination_id
where l.id = :lane_id;
-- postgres:
select l.id as lane_id, e.id as endpoint_id, e.url, e.headers, e.strict, e.only_200, e.authority,
  e.retry as schedule, 60000000 * e.lanes / e.rate_per_minute as pace,
  case when e.latest_only = 1 then 'product/' end as covers, e.gone_at,
  case when e.previous_until > :now then e.secret || ' ' || e.previous_secret else e.secret end as secrets,
  case when e.previous_until > :now then e.previous_until end as until,
  case when e.deleted_at is not null then 'endpoint deleted' when e.enabled = 0 then 'endpoint disabled' end as closed
from {rows} r join lane l on l.id = r.lane_id join endpoint e on e.shop_id = l.shop_id and e.id = l.destination_id;

-- name: find_event_keys
-- rows: shop_id bigint, event_key text
-- The events that are stored under these keys.
select k.shop_id, k.key, e.id, e.type, e.subject, e.fan_out
from event_key k join event e on e.day in (select day from day) and e.id = k.event_id
where k.shop_id = :shop_id and k.key = :event_key;
-- postgres:
select k.shop_id, k.key, e.id, e.type, e.subject, e.fan_out
from {rows} r join event_key k on k.shop_id = r.shop_id and k.key = r.event_key
  join event e on e.day = any(array(select day from day)) and e.id = k.event_id;

-- name: put_event_keys
-- rows: shop_id bigint, event_key text, event_id bigint
-- From now on this key stands for this event; the one that it stood for is not kept any more: its id is more than a day old
-- (ids.first_id_of), and none goes sooner. No row comes back when another node has stored this key since we looked.
insert into event_key(shop_id, key, event_id) values (:shop_id, :event_key, :event_id)
on conflict (shop_id, key) do update set event_id = excluded.event_id
where event_key.event_id < (:now / 1000 - 86400000 - 1767225600000) * 4194304
returning shop_id, key;

-- name: insert_endpoint
-- A new destination, with its lane.
insert into endpoint(shop_id, id, lane_id, lanes, url, description, enabled, headers, strict, only_200, authority,
  latest_only, rate_per_minute, retry, secret, disabled_at, created_at, updated_at)
values (:shop_id, :id, :lane_id, :lanes, :url, :description, :enabled, :headers, :strict, :only_200, :authority,
  :latest_only, :rate_per_minute, :retry, :secret, :disabled_at, :now, :now);

-- name: update_endpoint
-- An edit; takes effect with the next load of its lane. What is `switched` by nobody stays as it is now: the sender may
-- have disabled it since it was read, and does so once.
update endpoint set url = :url, description = :description, headers = :headers, strict = :strict, only_200 = :only_200,
  authority = :authority, latest_only = :latest_only, rate_per_minute = :rate_per_minute, retry = :retry,
  enabled = case when :switched = 1 then :enabled else enabled end,
  disabled_at = case when :switched = 1 then cast(:disabled_at as bigint) else disabled_at end,
  disabled_reason = case when :switched = 1 then cast(:disabled_reason as text) else disabled_reason end,
  updated_at = :now
where shop_id = :shop_id and id = :id;

-- name: delete_endpoint
-- Soft: what waits for it is skipped by its lane's next owner.
update endpoint set deleted_at = :now, updated_at = :now where shop_id = :shop_id and id = :id;

-- name: restore_endpoint
-- It hears of events again from now on.
update endpoint set deleted_at = null, updated_at = :now where shop_id = :shop_id and id = :id;

-- name: rotate_secret
-- A new secret; the one before it is good as well until then.
update endpoint set previous_until = :until, previous_secret = :previous_secret, secret = :secret, updated_at = :now
where id = :id;

-- name: insert_subscription
-- The endpoint wants this event type.
insert into subscription(shop_id, event_type, endpoint_id) values (:shop_id, :event_type, :endpoint_id);

-- name: delete_subscriptions
-- Before the new choice of event types is written.
delete from subscription where endpoint_id = :endpoint_id;

-- name: count_endpoints
-- For the limit.
select count(*) as endpoints from endpoint where shop_id = :shop_id and deleted_at is null;

-- name: shop_of_deleted
-- An endpoint that was deleted, and may be restored.
select shop_id from endpoint where id = :id and deleted_at is not null;

-- name: get_endpoint
-- One endpoint that has not been deleted.
select e.shop_id, e.id, e.lane_id, e.lanes, e.url, e.description, e.enabled, e.headers, e.strict, e.only_200, e.authority,
  e.latest_only, e.rate_per_minute, e.retry, e.secret is not null as signed, e.previous_until, e.disabled_at,
  e.disabled_reason, e.created_at, e.updated_at,
  (select b.next_id from backfill b where b.endpoint_id = e.id) as backfill_id,
  (select group_concat(event_type) from subscription s where s.endpoint_id = e.id) as event_types
from endpoint e where e.id = :id and e.deleted_at is null;
-- postgres:
select e.shop_id, e.id, e.lane_id, e.lanes, e.url, e.description, e.enabled, e.headers, e.strict, e.only_200, e.authority,
  e.latest_only, e.rate_per_minute, e.retry, e.secret is not null as signed, e.previous_until, e.disabled_at,
  e.disabled_reason, e.created_at, e.updated_at,
  (select b.next_id from backfill b where b.endpoint_id = e.id) as backfill_id,
  (select string_agg(event_type, ',') from subscription s where s.endpoint_id = e.id) as event_types
from endpoint e where e.id = :id and e.deleted_at is null;

-- name: list_endpoints
-- A page of the endpoints that have not been deleted, newest first.
select e.shop_id, e.id, e.lane_id, e.lanes, e.url, e.description, e.enabled, e.headers, e.strict, e.only_200, e.authority,
  e.latest_only, e.rate_per_minute, e.retry, e.secret is not null as signed, e.previous_until, e.disabled_at,
  e.disabled_reason, e.created_at, e.updated_at,
  (select b.next_id from backfill b where b.endpoint_id = e.id) as backfill_id,
  (select group_concat(event_type) from subscription s where s.endpoint_id = e.id) as event_types
from endpoint e where e.id < :before and e.deleted_at is null order by e.id desc limit :rows;
-- postgres:
select e.shop_id, e.id, e.lane_id, e.lanes, e.url, e.description, e.enabled, e.headers, e.strict, e.only_200, e.authority,
  e.latest_only, e.rate_per_minute, e.retry, e.secret is not null as signed, e.previous_until, e.disabled_at,
  e.disabled_reason, e.created_at, e.updated_at,
  (select b.next_id from backfill b where b.endpoint_id = e.id) as backfill_id,
  (select string_agg(event_type, ',') from subscription s where s.endpoint_id = e.id) as event_types
from endpoint e where e.id < :before and e.deleted_at is null order by e.id desc limit :rows;

-- name: list_endpoints_of_shop
-- The same of one shop.
select e.shop_id, e.id, e.lane_id, e.lanes, e.url, e.description, e.enabled, e.headers, e.strict, e.only_200, e.authority,
  e.latest_only, e.rate_per_minute, e.retry, e.secret is not null as signed, e.previous_until, e.disabled_at,
  e.disabled_reason, e.created_at, e.updated_at,
  (select b.next_id from backfill b where b.endpoint_id = e.id) as backfill_id,
  (select group_concat(event_type) from subscription s where s.endpoint_id = e.id) as event_types
from endpoint e where e.shop_id = :shop_id and e.id < :before and e.deleted_at is null order by e.id desc limit :rows;
-- postgres:
select e.shop_id, e.id, e.lane_id, e.lanes, e.url, e.description, e.enabled, e.headers, e.strict, e.only_200, e.authority,
  e.latest_only, e.rate_per_minute, e.retry, e.secret is not null as signed, e.previous_until, e.disabled_at,
  e.disabled_reason, e.created_at, e.updated_at,
  (select b.next_id from backfill b where b.endpoint_id = e.id) as backfill_id,
  (select string_agg(event_type, ',') from subscription s where s.endpoint_id = e.id) as event_types
from endpoint e where e.shop_id = :shop_id and e.id < :before and e.deleted_at is null order by e.id desc limit :rows;

-- name: lanes_of_endpoint
-- Its lanes, and how they do.
select id, hold_until, closed_at from lane where box = :box and shop_id = :shop_id and destination_id = :id order by slot;

-- How endpoints do ---------------------------------------------------------------------------------------------------

-- name: recent_tests
-- How many tests an endpoint was sent since then, by the first id of that time.
select count(*) as tests from event e
where e.day in (select day from day) and e.shop_id = :shop_id and e.id >= :since and e.data = :data and exists (
  select 1 from delivery d join lane l on l.id = d.lane_id
  where d.day = e.day and d.shop_id = e.shop_id and d.event_id = e.id and l.destination_id = :id);
-- postgres:
select count(*) as tests from event e
where e.day = any(array(select day from day)) and e.shop_id = :shop_id and e.id >= :since and e.data = :data and exists (
  select 1 from delivery d join lane l on l.id = d.lane_id
  where d.day = e.day and d.shop_id = e.shop_id and d.event_id = e.id and l.destination_id = :id);

-- name: close_endpoint
-- Every try fails since then, as the first of its lanes says.
update endpoint set closed_since = cast(:closed_at as bigint) where id = :id and closed_since is null and deleted_at is null
returning id;

-- name: closed_since
-- Since when it fails; locked until the commit, so that each of its lanes sees what the one before has come to.
select closed_since from endpoint where id = :id;
-- postgres:
select closed_since from endpoint where id = :id for no key update;

-- name: open_endpoint
-- It is back, when the last of its lanes says so.
update endpoint set closed_since = null, warned_day = 0 where id = :id and closed_since is not null and not exists (
  select 1 from lane where box = :box and shop_id = :shop_id and destination_id = :id and closed_at is not null)
returning id;

-- name: reset_endpoint
-- Somebody has enabled it, or leads it elsewhere: what was known is forgotten, but that a lane is closed still.
update endpoint set gone_at = null, warned_day = 0, closed_since = (
  select min(closed_at) from lane where box = :box and shop_id = :shop_id and destination_id = :id)
where id = :id;

-- name: failing_endpoints
-- Those of which a day is to be said: 1, 3 and 4 (health.WARNING_DAYS).
select id, shop_id, closed_since from endpoint
where closed_since is not null and enabled = 1 and deleted_at is null and warned_day < case
  when closed_since <= :now - 345600000000 then 4 when closed_since <= :now - 259200000000 then 3
  when closed_since <= :now - 86400000000 then 1 else 0 end
order by id limit :rows;

-- name: warn_endpoint
-- Said, unless it was.
update endpoint set warned_day = :days where id = :id and warned_day < :days and enabled = 1 and deleted_at is null
returning id;

-- name: disable_endpoint
-- By itself; nothing comes back when it was disabled before.
update endpoint set enabled = 0, disabled_at = :now, disabled_reason = :reason, updated_at = :now
where id = :id and enabled = 1 and deleted_at is null returning id;

-- name: working_lanes
-- A lane of it that is not closed, and was worked since then.
select id from lane where box = :box and shop_id = :shop_id and destination_id = :id
  and closed_at is null and rested_at > :since limit 1;

-- name: held_for_nobody
-- Lanes in which something waits although nobody looks into them yet, of endpoints that were deleted or switched off a while
-- ago; nobody owns them before the commit.
select l.id from lane l join endpoint e on e.shop_id = l.shop_id and e.id = l.destination_id
where l.hold_until > 0 and l.hold_until > :now and l.box = :box and l.lease_token is null
  and (e.deleted_at <= :now - :tries_over or (e.enabled = 0 and coalesce(e.disabled_at, 0) <= :now - :tries_over))
  and exists (select 1 from delivery d where d.lane_id = l.id and d.state = 0)
order by l.id limit :rows;
-- postgres:
select l.id from lane l join endpoint e on e.shop_id = l.shop_id and e.id = l.destination_id
where l.hold_until > 0 and l.hold_until > :now and l.box = :box and l.lease_token is null
  and (e.deleted_at <= :now - :tries_over or (e.enabled = 0 and coalesce(e.disabled_at, 0) <= :now - :tries_over))
  and exists (select 1 from delivery d where d.lane_id = l.id and d.state = 0)
order by l.id limit :rows for no key update of l skip locked;

-- name: note_gone
-- It answered 410; the first time counts.
update endpoint set gone_at = coalesce(gone_at, :now) where id = :id and enabled = 1 returning shop_id, gone_at;

-- name: note_not_gone
-- It has acknowledged something since.
update endpoint set gone_at = null where id = :id;

-- name: endpoints_of_lanes
-- rows: lane_id bigint
-- Whose deliveries they are.
select l.id as lane_id, e.shop_id, e.id from lane l join endpoint e on e.shop_id = l.shop_id and e.id = l.destination_id
where l.id = :lane_id;
-- postgres:
select l.id as lane_id, e.shop_id, e.id from {rows} r join lane l on l.id = r.lane_id
  join endpoint e on e.shop_id = l.shop_id and e.id = l.destination_id;

-- Events from before an endpoint was there --------------------------------------------------------------------------

-- name: put_backfill
-- Have them written, from this one on.
insert into backfill(endpoint_id, next_id, until_id) values (:endpoint_id, :next_id, :until_id)
on conflict (endpoint_id) do update set next_id = excluded.next_id, until_id = excluded.until_id;

-- name: any_backfill
-- Whether there is something to write.
select endpoint_id from backfill limit 1;

-- name: next_backfill
-- One that has more to write; nobody else goes on with it before the commit.
select b.endpoint_id, b.next_id, b.until_id from backfill b order by b.next_id limit 1;
-- postgres:
select b.endpoint_id, b.next_id, b.until_id from backfill b order by b.next_id limit 1 for update skip locked;

-- name: move_backfill
-- Written up to here.
update backfill set next_id = :next_id where endpoint_id = :endpoint_id;

-- name: delete_backfill
-- All are written, or nobody wants them any more.
delete from backfill where endpoint_id = :endpoint_id;

-- name: events_between
-- The events of a stretch of time, some at a time.
select day, id, shop_id, type, subject, data from event
where box = :box and id >= :next_id and id < :until_id order by id limit :rows;

-- What other programs have put into the intake ----------------------------------------------------------------------

-- name: any_intake
-- Whether something waits there.
select 1 as one from intake where refused is null limit 1;

-- name: take_intake
-- What has waited longest, as bytes: another program may have stored text that is none. Nobody else takes it before the
-- commit.
select id, shop, cast(type as blob) as type, cast(object_id as blob) as object_id, cast(event_key as blob) as event_key
from intake where refused is null order by id limit :rows;
-- postgres:
select id, shop, type, object_id, event_key from intake where refused is null order by id limit :rows
for update skip locked;

-- name: drop_intake
-- rows: id bigint
-- It is an event now, by the same transaction.
delete from intake where id = :id;
-- postgres:
delete from intake i using {rows} r where i.id = r.id;

-- name: refuse_intake
-- rows: id bigint, refused text
-- It cannot be an event; it stays to be looked at, and is taken again when somebody clears the reason.
update intake set refused = :refused where id = :id;
-- postgres:
update intake i set refused = r.refused from {rows} r where i.id = r.id;

-- What is encrypted ---------------------------------------------------------------------------------------------------

-- name: share_keys
-- Whoever encrypts ends before another key is the newest: then nothing new is encrypted with an old one.
select 1 as one;
-- postgres:
select pg_advisory_xact_lock_shared(hashtextextended('encryption keys', 0));

-- name: lock_keys
-- Wait for all who encrypt.
select 1 as one;
-- postgres:
select pg_advisory_xact_lock(hashtextextended('encryption keys', 0));

-- name: encryption_keys
-- All that are needed, the newest first.
select number, id, work from encryption_key order by number desc;

-- name: put_encryption_key
-- It is the newest from now on.
insert into encryption_key(number, id, created_at, work) values (:number, :id, :now, :work);

-- name: end_of_rewriting
-- Nothing is left to do for the newest key.
update encryption_key set work = '' where number = :number;

-- name: drop_encryption_keys
-- Nothing is encrypted with these any more.
delete from encryption_key where number < :number;

-- name: any_plain
-- Whether a secret is stored as it is.
select 1 as one from endpoint
where secret not like 'v1:%' or previous_secret not like 'v1:%' or (headers <> '[]' and headers not like 'v1:%') limit 1;

-- name: not_yet_encrypted
-- Endpoints of which something is not encrypted with the newest key; nobody changes them before the commit.
select id, secret, previous_secret, headers from endpoint
where id > :after and (secret not like :marker or previous_secret not like :marker
  or (headers <> '[]' and headers not like :marker))
order by id limit :rows;
-- postgres:
select id, secret, previous_secret, headers from endpoint
where id > :after and (secret not like :marker or previous_secret not like :marker
  or (headers <> '[]' and headers not like :marker))
order by id limit :rows for update;

-- name: put_encrypted
-- The same, encrypted with another key.
update endpoint set secret = :secret, previous_secret = :previous_secret, headers = :headers where id = :id;

-- name: secret_of_endpoint
-- As it is stored; nobody changes it before the commit.
select secret from endpoint where id = :id;
-- postgres:
select secret from endpoint where id = :id for update;

-- Who waits until a place may be sent more ----------------------------------------------------------------------------

-- name: target_waits
-- What is on record, and true.
select t.lane_id, t.place from target_wait t join lane l on l.id = t.lane_id and l.lease_token = t.lease_token;

-- name: put_target_waits
-- rows: lane_id bigint, place text, connections bigint, per_second bigint
-- A lane waits since now. One whose lease is only in its owner's memory is left to the next look: it is stored soon.
insert into target_wait(lane_id, lease_token, place, connections, per_second, since)
select id, lease_token, :place, :connections, :per_second, :now from lane where id = :lane_id and lease_token is not null
on conflict (lane_id) do update set lease_token = excluded.lease_token, place = excluded.place,
  connections = excluded.connections, per_second = excluded.per_second, since = excluded.since;
-- postgres:
insert into target_wait(lane_id, lease_token, place, connections, per_second, since)
select l.id, l.lease_token, r.place, r.connections, r.per_second, :now
from {rows} r join lane l on l.id = r.lane_id and l.lease_token is not null
order by l.id
on conflict (lane_id) do update set lease_token = excluded.lease_token, place = excluded.place,
  connections = excluded.connections, per_second = excluded.per_second, since = excluded.since;

-- name: drop_target_waits
-- rows: lane_id bigint
-- A lane waits no more.
delete from target_wait where lane_id = :lane_id;
-- postgres:
delete from target_wait t using {rows} r where t.lane_id = r.lane_id;

-- name: drop_untrue_waits
-- Whoever has written these has lost its lanes, or died.
delete from target_wait where not exists (
  select 1 from lane l where l.id = target_wait.lane_id and l.lease_token = target_wait.lease_token);
