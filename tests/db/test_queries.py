"""The reader of named SQL."""

import re

import apsw
import pytest

from ombud.db.dialect import SqliteText, parameters, rows_source, with_parameters
from ombud.db.migrate import migrate
from ombud.db.operation import Afterwards, Statement
from ombud.db.queries import Queries, read_queries
from ombud.db.sqlite import SqliteDatabase

TEXT = """-- A word about the file; belongs to no query.

-- name: first_item
-- Why it is there.
select name
from item;

-- name: second_item2
-- Another why,
-- in two lines.
select 2;
"""


def test_statements_are_found_by_name_without_their_comments() -> None:
    queries = Queries("a.sql", TEXT)

    assert queries["first_item"].sql == "select name\nfrom item;"
    assert queries["second_item2"].sql == "select 2;"
    assert queries["first_item"].name == "first_item"


def test_statements_come_in_the_order_of_the_file() -> None:
    assert [statement.name for statement in Queries("a.sql", TEXT)] == ["first_item", "second_item2"]


def test_an_unknown_name_is_an_error_that_names_file_and_query() -> None:
    with pytest.raises(KeyError, match=r"a\.sql has no query named third_item"):
        Queries("a.sql", TEXT)["third_item"]


def test_two_queries_with_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match=r"a\.sql: two queries are named first_item"):
        Queries("a.sql", f"{TEXT}\n-- name: first_item\n-- Again.\nselect 3;\n")


@pytest.mark.parametrize("line", ["-- name: Second", "-- name: second-item", "-- name: second ", "--name: second"])
def test_a_misspelt_name_is_refused_and_does_not_join_the_query_before_it(line: str) -> None:
    with pytest.raises(ValueError, match=r"a\.sql: .* is not a name"):
        Queries("a.sql", f"-- name: first\n-- Why.\nselect 1;\n\n{line}\n-- Why.\ndelete from item;\n")


def test_a_name_without_a_statement_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a\.sql: first has no statement"):
        Queries("a.sql", "-- name: first\n-- Why.\n\n-- name: second\n-- Why.\nselect 2;\n")


SETTLE = """-- name: settle
-- rows: shop_id bigint, state bigint, reason text
-- Why.
update delivery set reason = :reason, state = :state where shop_id = :shop_id and due_at <= :now;
-- postgres:
-- Another why.
update delivery d set state = r.state from {rows} r where d.shop_id = r.shop_id::bigint and d.due_at <= :now;
"""


def test_a_header_numbers_the_parameters_of_sqlite_in_its_own_order() -> None:
    statement = Queries("a.sql", SETTLE)["settle"]

    assert statement.columns == (("shop_id", "bigint"), ("state", "bigint"), ("reason", "text"))
    assert statement.for_sqlite == SqliteText(
        "update delivery set reason = ?3, state = ?2 where shop_id = ?1 and due_at <= ?4;", columns=3, takes_now=True
    )
    assert statement.postgres.startswith("update delivery d set state = r.state from {rows} r where")


def test_a_header_may_take_more_than_one_line() -> None:
    text = "-- name: a\n-- rows: b bigint,\n-- rows: c double precision\n-- Why.\nselect :b, :c;\n"
    with pytest.raises(ValueError, match="not `name type, name type`"):
        Queries("a.sql", text)

    assert Queries("a.sql", text.replace(",\n", "\n"))["a"].columns == (("b", "bigint"), ("c", "double precision"))


def test_without_a_header_parameters_stay_names() -> None:
    statement = Queries("a.sql", "-- name: a\n-- Why.\nselect :b, :now;\n")["a"]

    assert statement.for_sqlite == SqliteText("select :b, :now;", columns=0, takes_now=True)
    assert statement.postgres == statement.sql


def test_a_header_may_name_the_time_itself() -> None:
    statement = Queries("a.sql", "-- name: a\n-- rows: now bigint, b bigint\n-- Why.\nselect :b, :now;\n")["a"]

    assert statement.for_sqlite == SqliteText("select ?2, ?1;", columns=2, takes_now=False)


def test_a_plain_insert_has_a_text_for_many_rows_whose_values_stand_one_after_the_other() -> None:
    header = "-- name: a\n-- rows: b bigint, c text\n-- Why.\n"
    block = Queries("a.sql", f"{header}insert into t(c, d, b)\nvalues (:c, :now + :b, :b);\n")["a"].for_sqlite.block

    assert block.startswith("insert or fail into t(c, d, b)\nvalues (?2, ?33 + ?1, ?1), (?4, ?33 + ?3, ?3), (")
    assert block.endswith(", (?32, ?33 + ?31, ?31)")


@pytest.mark.parametrize(
    "other",
    [
        "insert into t(b) values (:b) on conflict (b) do nothing",
        "insert into t(b) values (:b) returning b",
        "insert into t(b) select :b",
        "insert into t(b) values (max(:b, :now))",
        "insert or ignore into t(b) values (:b)",
        "update t set b = :b",
    ],
)
def test_any_other_statement_has_none(other: str) -> None:
    assert not Queries("a.sql", f"-- name: a\n-- rows: b bigint\n-- Why.\n{other};\n")["a"].for_sqlite.block


def test_what_looks_like_a_parameter_in_text_names_comments_and_casts_is_left_alone() -> None:
    sql = """select ':a', 'it''s :b', ":c", d::text, e :: text, :f -- :g
    /* :h
    :i */ from j where k=:k"""

    assert parameters(sql) == {"f", "k"}
    assert with_parameters(sql, str.upper) == sql.replace(":f", "F").replace("=:k", "=K")


def test_a_few_words_differ_between_the_databases() -> None:
    text = "-- name: a\n-- Why.\nselect {greatest}(1, {least}(2, 3)), '{}', '{word}' {without_rowid};\n"
    statement = Queries("a.sql", text)["a"]

    assert statement.sql == "select max(1, min(2, 3)), '{}', '{word}' without rowid;"
    assert statement.postgres == "select greatest(1, least(2, 3)), '{}', '{word}' ;"


def test_all_rows_are_one_table_on_postgresql() -> None:
    assert rows_source((("shop_id", "bigint"), ("reason", "text"))) == (
        "(select * from unnest($1::text::bigint[], $2::text[]) as u(shop_id, reason))"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("-- rows: b\n-- Why.\nselect :b;", "not `name type"),
        ("-- rows: b bigint, b text\n-- Why.\nselect :b;", "each name once"),
        ("-- Rows: b bigint\n-- Why.\nselect :b;", "a mark that is none: '-- Rows: b bigint'"),
        ("-- Why.\nselect 1;\n--postgres:\nselect 2;", "a mark that is none: '--postgres:'"),
        ("-- Why.\nselect 1;\n-- postgres: select 2;", "a mark that is none"),
        ("-- Why.\nselect 1;\n-- postgres:\n", "no statement"),
        ("-- Why.\n-- postgres:\nselect 2;", "no statement"),
        ("-- Why.\nselect 1;\n-- postgres:\nselect 2;\n-- postgres:\nselect 3;", "more than one text for PostgreSQL"),
        ("-- rows: b bigint\n-- Why.\nselect :b, :c;", "other parameters than its header: c"),
        ("-- rows: b bigint, c bigint\n-- Why.\nselect :b;", "other parameters than its header: c"),
        ("-- rows: b bigint\n-- Why.\nselect :b;\n-- postgres:\nselect :c;", "not bound on PostgreSQL: c"),
        (
            "-- rows: b bigint\n-- Why.\nselect :b;\n-- postgres:\nselect :b from {rows} r;",
            "not bound on PostgreSQL: b",
        ),
        ("-- rows: b bigint\n-- Why.\nselect :b from {rows} r;", "{rows} in its text for SQLite"),
        ("-- Why.\nselect 1;\n-- postgres:\nselect b from {rows} r;", "{rows} and no `-- rows:` header"),
        ("-- Why.\nselect {largest}(1, 2);", "{largest} is none of"),
    ],
)
def test_a_statement_that_could_go_wrong_on_one_database_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as caught:
        Queries("a.sql", f"-- name: a\n{text}\n")

    assert str(caught.value).startswith("a.sql: a ")


def test_what_runs_afterwards_needs_a_header() -> None:
    with pytest.raises(ValueError, match="needs a `-- rows:` header"):
        Afterwards(Statement("a", "select 1"), [])


def test_a_package_is_read_once() -> None:
    assert read_queries("ombud.mailbox") is read_queries("ombud.mailbox")


@pytest.mark.parametrize("statement", list(read_queries("ombud.mailbox")), ids=lambda statement: statement.name)
def test_no_statement_of_the_mailbox_scans_a_table(database: SqliteDatabase, statement: Statement) -> None:
    """What finds work must not slow down with the lanes and deliveries that are none of its business."""
    migrate(database, ["ombud.mailbox"])
    connection = apsw.Connection(str(database.path))
    try:
        plan = [row[3] for row in connection.execute(f"explain query plan {statement.sql}", _AnyValue())]
    finally:
        connection.close()

    # `node` and `clock` have a single row, `day` a few; a sweep takes one step of its index for each lane with work.
    scanned = [line for line in plan if re.match(r"SCAN (event|delivery|attempt|lane|event_key|chore)\b", line)]
    assert scanned == (
        ["SCAN delivery USING COVERING INDEX delivery_due"] if statement.name == "lanes_with_work" else []
    )


class _AnyValue(dict[str, int]):
    def __missing__(self, key: str) -> int:
        return 1
