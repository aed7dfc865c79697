-- What an OpenID provider calls somebody, for ever: its issuer, a blank and the name. Null: nobody has come in that way.

alter table person add column subject text;
create unique index person_subject on person(subject);
