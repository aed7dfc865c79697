"""The portable subset of migrations."""

import re

import pytest

from ombud.db.migrate import migrations_of
from ombud.db.script import postgres_script, sqlite_script

TABLE = """-- An integer is a word here, without rowid.
-- end of the introduction
create table a(
  id INTEGER primary key, -- an integer
  "integer" integer not null default 5,
  text text check (text != 'integer without rowid it''s integer'),
  big_integer integer, integers text /* integer */
) without rowid;
create table b(n integer) WITHOUT
  ROWID;
"""
TRANSLATED = """-- An integer is a word here, without rowid.
-- end of the introduction
create table a(
  id bigint primary key, -- an integer
  "integer" bigint not null default 5,
  text text check (text != 'integer without rowid it''s integer'),
  big_integer bigint, integers text /* integer */
);
create table b(n bigint);
"""


def test_integers_are_bigints_and_there_is_no_rowid_on_postgresql() -> None:
    assert postgres_script(TABLE) == TRANSLATED
    assert sqlite_script(TABLE) == TABLE


def test_a_function_of_postgresql_is_left_alone() -> None:
    function = "create function f() returns integer as $body$ select 1::integer; $body$;"

    assert postgres_script(function) == function.replace("returns integer", "returns bigint")


def test_a_part_is_for_one_database() -> None:
    text = """create table a(n integer);
-- postgres:
create index a_n on a(n) include (m);
-- end
-- sqlite:
create table c(n integer);
-- end
create table d(n integer);
"""
    assert sqlite_script(text) == (
        "create table a(n integer);\n\ncreate table c(n integer);\n\ncreate table d(n integer);\n"
    )
    assert postgres_script(text) == (
        "create table a(n bigint);\ncreate index a_n on a(n) include (m);\n\n\ncreate table d(n bigint);\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "-- postgres:\nselect 1;\n",
        "select 1;\n-- end\n",
        "-- postgres: now\nselect 1;\n-- end\n",
        "--postgres:\nselect 1;\n-- end\n",
        "-- PostgreS:\nselect 1;\n-- end\n",
        "-- postgres:\n-- sqlite:\nselect 1;\n-- end\n",
        "-- postgres:\nselect 1;\n--end\n",
        "-- postgres:\n-- sqlite:\nselect 1;\n-- end\n-- end\n",
    ],
)
def test_a_part_that_does_not_begin_or_end_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="does not begin or end a part for one database"):
        postgres_script(text)
    with pytest.raises(ValueError, match="does not begin or end a part for one database"):
        sqlite_script(text)


@pytest.mark.parametrize("part", ["ombud.mailbox", "ombud.sender", "ombud.receiver", "ombud.shop", "ombud.admin"])
def test_the_shipped_migrations_are_in_the_subset(part: str) -> None:
    for migration in migrations_of(part):
        words = re.sub(r"--[^\n]*|'[^']*'", "", postgres_script(migration.script)).split()

        assert "integer" not in words
        assert "rowid" not in words
        assert {"create", "alter"} & set(words)
