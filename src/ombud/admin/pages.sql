-- What a database says of its own pages and indexes: the ground that the rows stand on. Each statement is for one database.

-- name: sqlite_damage
-- Pages that hold together, and every row in every index, or what is due would never be found.
select integrity_check as problem from pragma_integrity_check where integrity_check <> 'ok' limit :examples;

-- name: hold_days
-- Before the snapshot of PostgreSQL is taken: no day is dropped from under it.
lock table event, delivery, attempt in access share mode;

-- name: postgres_damage
-- What PostgreSQL has noticed by itself: pages with a wrong checksum, and indexes that were never finished.
select checksum_failures || ' pages had a wrong checksum when they were read, the last at ' || checksum_last_failure as problem
from pg_stat_database where datname = current_database() and checksum_failures > 0
union all
select 'index ' || x.indexrelid::regclass || ' is not valid'
from pg_index x join pg_class c on c.oid = x.indexrelid
where c.relnamespace = 'ombud'::regnamespace and not x.indisvalid
limit :examples;

-- name: find_amcheck
-- PostgreSQL's extension that looks into pages, where somebody has made it; from here on its functions are found.
select set_config('search_path', current_setting('search_path') || ', ' || quote_ident(n.nspname), false)
from pg_extension x join pg_namespace n on n.oid = x.extnamespace where x.extname = 'amcheck';

-- name: list_relations
-- What it can look into: tables (r) and B-trees (i), of each day too.
select c.oid::bigint as id, c.relname as name, c.relkind = 'i' as is_index
from pg_class c left join pg_index x on x.indexrelid = c.oid left join pg_am a on a.oid = c.relam
where c.relnamespace = 'ombud'::regnamespace
  and (c.relkind = 'r' or (c.relkind = 'i' and a.amname = 'btree' and x.indisvalid))
order by c.relname;

-- name: check_index
-- Pages that hold together, and every row in the index; what is wrong comes as an error.
select bt_index_check(:id::oid::regclass, true);

-- name: check_table
-- Pages and rows that cannot be as they are.
select 'block ' || blkno || ': ' || msg as problem from verify_heapam(:id::oid::regclass) limit :examples;
