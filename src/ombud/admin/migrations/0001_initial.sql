-- Who may use the REST API. A key is 256 random bits, so a plain hash is enough (OWASP ASVS 5.0, 6.5.2).
create table api_key(
  hash       blob    not null primary key,
  name       text    not null unique,
  created_at integer not null
) without rowid;
