"""The reader of named SQL."""

import apsw
import pytest

from ombud.db.migrate import migrate
from ombud.db.operation import Statement
from ombud.db.queries import Queries, read_queries
from ombud.db.sqlite import Database

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


def test_a_package_is_read_once() -> None:
    assert read_queries("ombud.mailbox") is read_queries("ombud.mailbox")


@pytest.mark.parametrize("statement", list(read_queries("ombud.mailbox")), ids=lambda statement: statement.name)
def test_no_statement_of_the_mailbox_scans_a_table(database: Database, statement: Statement) -> None:
    """What finds work must not slow down with the lanes and deliveries that are none of its business."""
    migrate(database, ["ombud.mailbox"])
    connection = apsw.Connection(str(database.path))
    try:
        plan = [row[3] for row in connection.execute(f"explain query plan {statement.sql}", _AnyValue())]
    finally:
        connection.close()

    # `node` has a single row.
    assert [line for line in plan if line.startswith("SCAN") and line != "SCAN node"] == []


class _AnyValue(dict[str, int]):
    def __missing__(self, key: str) -> int:
        return 1
