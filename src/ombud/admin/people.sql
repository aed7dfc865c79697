-- People, their sessions, the links that open once, keys, and who changed what.

-- name: count_people
-- Whether anybody can log in yet.
select count(*) as people from person;

-- name: insert_person
-- Nothing comes back when the name is taken.
insert into person(id, login, name, role, shop_id, password, created_at)
values (:id, :login, :name, :role, :shop_id, :password, :now)
on conflict (login) do nothing returning id;

-- name: person_by_login
-- Who logs in.
select id, name, role, shop_id, password, created_at from person where login = :login;

-- name: person_by_id
-- One of them.
select id, name, role, shop_id, password, created_at from person where id = :id;

-- name: person_by_subject
-- Who comes in by an OpenID provider.
select id from person where subject = :subject;

-- name: bind_subject
-- The first time; nothing comes back when somebody else came in by it.
update person set subject = :subject where id = :id and subject is null returning id;

-- name: list_people
-- All of them: there are few.
select id, name, role, shop_id, password, created_at from person order by login limit :most;

-- name: set_password
-- The old one opens nothing any more.
update person set password = :password where id = :id;

-- name: set_role
-- From the next request on.
update person set role = :role, shop_id = :shop_id where id = :id;

-- name: count_owners
-- Somebody must be left who can let others in.
select count(*) as owners from person where role = 'owner' and shop_id = 0;

-- name: delete_person
-- What they changed stays on record under their name.
delete from person where id = :id;

-- name: insert_session
-- A browser was let in.
insert into session(hash, person_id, created_at, seen_at, address, agent)
values (:hash, :person_id, :now, :now, :address, :agent);

-- name: session_with_person
-- Whose session it is. An ended one tells that this browser was let in before.
select s.hash, s.person_id, s.created_at, s.seen_at, s.ended_at, p.name, p.role, p.shop_id
from session s join person p on p.id = s.person_id where s.hash = :hash;

-- name: see_session
-- Written once a minute at most.
update session set seen_at = :seen_at where hash = :hash and seen_at < :seen_at;

-- name: sessions_of_person
-- Where this person is logged in.
select hash, created_at, seen_at, address, agent from session
where person_id = :person_id and created_at > :since and ended_at is null order by created_at desc limit :most;

-- name: end_session
-- Logged out; the hash stays to know the browser by.
update session set ended_at = :now where hash = :hash and ended_at is null;

-- name: end_sessions_of_person
-- All but the one that asked for it.
update session set ended_at = :now where person_id = :person_id and ended_at is null and hash <> :but;

-- name: delete_old_sessions
-- Of this person, those whose browser need not be known any more.
delete from session where person_id = :person_id and created_at < :before;

-- name: delete_sessions_of_person
-- With the person.
delete from session where person_id = :person_id;

-- name: insert_link
-- A door that opens once.
insert into entry_link(hash, role, shop_id, person_id, created_at, expires_at)
values (:hash, :role, :shop_id, :person_id, :now, :expires_at)
on conflict (hash) do update set expires_at = excluded.expires_at;

-- name: find_link
-- What it opens.
select role, shop_id, person_id from entry_link where hash = :hash and expires_at > :now;

-- name: take_link
-- Whoever comes second finds it gone.
delete from entry_link where hash = :hash and expires_at > :now returning role, shop_id, person_id;

-- name: delete_first_links
-- The set-up links of every process, once somebody is in; and what is over.
delete from entry_link where expires_at <= :now or (person_id is null and role = 'owner' and :owners_too = 1);

-- name: delete_links_of_person
-- With the person, or with a new password.
delete from entry_link where person_id = :person_id;

-- name: insert_entry
-- Beside the change itself, in its transaction.
insert into audit_entry(id, at, actor, action, target, shop_id, detail)
values (:id, :now, :actor, :action, :target, :shop_id, :detail);

-- name: list_entries
-- A page, newest first.
select id, at, actor, action, target, shop_id, detail from audit_entry
where id < :before order by id desc limit :rows;

-- name: insert_key
-- A new key, by its hash.
insert into api_key(hash, name, created_at, scopes, shop_id) values (:hash, :name, :now, :scopes, :shop_id)
on conflict (name) do nothing returning name;

-- name: delete_key
-- Whoever used this name's key is out.
delete from api_key where name = :name returning name, shop_id;

-- name: find_key
-- Whose key this is, and what it may do.
select name, scopes, shop_id from api_key where hash = :hash;

-- name: use_key
-- Written once a minute at most.
update api_key set last_used_at = :at where name = :name and (last_used_at is null or last_used_at < :at);

-- name: get_key
-- One of them, never the key itself.
select name, scopes, shop_id, created_at, last_used_at from api_key where name = :name;

-- name: list_keys
-- All of them, by name; never the keys themselves.
select name, scopes, shop_id, created_at, last_used_at from api_key where name > :after order by name limit :rows;
