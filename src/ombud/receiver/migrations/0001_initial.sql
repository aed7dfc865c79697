-- A shop whose webhooks arrive here. Its token is a path segment of the hook's URL; two may be valid at once.
-- `api_key_file` names a file outside this database; null: the key of the environment.
create table inbox_shop(
  id                  integer not null primary key,
  name                text    not null unique,
  token_hash          blob    not null unique,
  previous_token_hash blob    unique,
  api_key_file        text,
  reader_lane_id      integer not null unique,
  created_at          integer not null,
  baseline_at         integer
);

create index event_subject on event(subject, id) where box > 1;

-- A function that wants events. The ledger is kept under its name.
create table handler(
  id         integer not null primary key,
  name       text    not null unique,
  active     integer not null,
  created_at integer not null
) without rowid;

-- One successful look at a subject, and which arrival asked for it.
create table reading(
  shop_id      integer not null,
  id           integer not null,
  event_id     integer not null,
  subject      text    not null,
  started_at   integer not null,
  milliseconds integer not null,
  status       integer not null,
  version      text,
  primary key (shop_id, id)
) without rowid;

create index reading_of_subject on reading(shop_id, subject, id);

-- What the shop's API answered, by content: `before` and `after` of many handlers share a row.
create table document(
  shop_id    integer not null,
  version    text    not null,
  body       blob    not null,
  created_at integer not null,
  primary key (shop_id, version)
) without rowid;

-- What is known of a subject: its version at the last look, null once it is gone. `absent_at`: missed once, to be proved.
-- `incarnation` counts how often it has come into being here.
create table mirror(
  shop_id     integer not null,
  subject     text    not null,
  version     text,
  incarnation integer not null default 0,
  baseline    integer not null default 0,
  absent_at   integer,
  reading_id  integer,
  primary key (shop_id, subject)
) without rowid;

-- What a handler was told of a subject. One-shot events: `epoch` counts transitions, `holds` says that the present one
-- was told. Level events: `version` is the last one told. `applied_version` is what the handler last finished with.
create table ledger(
  shop_id         integer not null,
  handler_id      integer not null,
  subject         text    not null,
  event_type      text    not null,
  epoch           integer not null default 0,
  holds           integer not null default 0,
  version         text,
  applied_version text,
  applied_at      integer,
  primary key (shop_id, handler_id, subject, event_type)
) without rowid;
