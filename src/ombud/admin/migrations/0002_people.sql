-- People who log in, what they may do, and what was changed by whom. Times are UTC microseconds. Of whatever opens a door
-- only a hash is kept: SHA-256 of 256 random bits, argon2id of a password.

-- `login`: the name without its case. `shop_id`: the one shop that this person sees, 0 for every one.
create table person(
  id         integer not null primary key,
  login      text    not null unique,
  name       text    not null,
  role       text    not null,
  shop_id    integer not null,
  password   text    not null,
  created_at integer not null
);

-- An ended session stays for a while: a browser that once was let in has tries of its own (docs/decisions/0032).
create table session(
  hash       blob    not null primary key,
  person_id  integer not null,
  created_at integer not null,
  seen_at    integer not null,
  ended_at   integer,
  address    text    not null,
  agent      text    not null
) without rowid;

create index session_person on session(person_id, created_at);

-- Opens once: makes a new person of this role, or gives this person a new password.
create table entry_link(
  hash       blob    not null primary key,
  role       text    not null,
  shop_id    integer not null,
  person_id  integer,
  created_at integer not null,
  expires_at integer not null
) without rowid;

-- Who changed what. Written in the transaction of the change.
create table audit_entry(
  id      integer not null primary key,
  at      integer not null,
  actor   text    not null,
  action  text    not null,
  target  text    not null,
  shop_id integer not null,
  detail  text    not null
);

-- What a key may do, in which shop (0: every one), and when it was last used, to the minute.
alter table api_key add column scopes text not null default 'events:write endpoints:write read';
alter table api_key add column shop_id integer not null default 0;
alter table api_key add column last_used_at integer;
