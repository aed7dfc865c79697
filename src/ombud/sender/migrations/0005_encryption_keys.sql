-- The keys of the key file with which `secret`, `previous_secret` and `headers` of endpoints are encrypted; the highest
-- number is used from now on. `work`: what is left to do since it is: `encrypt` what an older one encrypted, or `scrub`:
-- that, and write the table again, since it has held plain text. While there is none, an older key is needed too.
create table encryption_key(
  number     integer not null primary key,
  id         text    not null,
  created_at integer not null,
  work       text    not null
);
