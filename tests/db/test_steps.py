"""What an operation may yield, and what it is sent for it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import pytest

from ombud.db.dialect import BLOCK_ROWS
from ombud.db.operation import Afterwards, Operation, Script, Statement, Step
from ombud.db.queries import Queries
from ombud.db.sqlite import SqliteDatabase
from ombud.errors import InvalidInput
from tests.db.sql import one, seen

sql = Queries(
    "steps.sql",
    """
-- name: insert_note
-- rows: id bigint, text text
-- The header's order is not the order of appearance.
insert into note(text, id, at) values (:text, :id, :now) returning id, text, at;

-- name: insert_plain
-- rows: id bigint, text text
-- The same without the time, and without rows.
insert into note(text, id) values (:text, :id);

-- name: insert_timed
-- rows: id bigint, text text
-- The same with the time.
insert into note(text, id, at) values (:text, :id, :now);

-- name: insert_named
-- Without a header.
insert into note(text, id, at) values (:text, :id, :now) returning id, at;

-- name: insert_dated
-- rows: id bigint, now bigint
-- A header that names the time.
insert into note(id, at) values (:id, :now);

-- name: notes
-- All of them.
select id, text, at from note order by id;

-- name: count_up
-- rows: id bigint
-- How many notes there are, as seen from a note.
update note set text = (select count(*) from note) where id = :id;
""",
)


class Note(NamedTuple):
    id: int
    text: str | None
    at: int | None


class Ticks:
    """A clock that is one further at every look."""

    def __init__(self) -> None:
        self.now = 100

    def __call__(self) -> int:
        self.now += 1
        return self.now


@pytest.fixture
def database(path: Path) -> Iterator[SqliteDatabase]:
    opened = SqliteDatabase(path, Ticks())
    opened.write(one("create table note(id integer primary key, text, at)"))
    yield opened
    opened.close()


def steps(*todo: Step) -> Any:
    """Make an operation of these steps; its value is the rows of each."""

    def make() -> Operation[list[list[Any]]]:
        rows = []
        for step in todo:
            rows.append((yield step))
        return rows

    return make


def test_tuples_are_bound_in_the_order_of_the_header(database: SqliteDatabase, path: Path) -> None:
    [rows] = database.write(steps((sql["insert_note"], [(2, "b"), (1, "a")])))

    assert rows == [{"id": 2, "text": "b", "at": 102}, {"id": 1, "text": "a", "at": 102}]
    assert seen(path, "select id, text from note") == [(1, "a"), (2, "b")]


@pytest.mark.parametrize("name", ["insert_note", "insert_plain"])
@pytest.mark.parametrize("row", [(1,), (1, "a", 3), {"id": 1, "text": "a"}, {"text": "a", "id": 1, "x": 2}])
def test_what_is_no_tuple_of_the_header_is_refused(database: SqliteDatabase, name: str, row: Any) -> None:
    with pytest.raises((apsw.BindingsError, TypeError, KeyError)):
        database.write(steps((sql[name], [row])))

    assert database.read(steps((sql["notes"], {}))) == [[]]


@pytest.mark.parametrize("amount", [BLOCK_ROWS - 1, BLOCK_ROWS, 2 * BLOCK_ROWS + 3])
def test_many_rows_are_stored_as_few_are(database: SqliteDatabase, path: Path, amount: int) -> None:
    plain = [(number, f"a{number}") for number in range(amount)]
    dated = [(number + 1000, f"b{number}") for number in range(amount)]
    values = steps((sql["insert_plain"], plain), (sql["insert_timed"], dated))

    assert database.write(values) == [[], []]
    assert seen(path, "select id, text from note where at is null order by id") == plain
    assert seen(path, "select id, text, at from note where at > 0 order by id") == [(*row, 102) for row in dated]


@pytest.mark.parametrize("name", ["insert_timed", "insert_plain"])
@pytest.mark.parametrize(
    "wrong",
    [
        [(7, "a")],  # stands there already
        [(90,)],
        [(90, "a", 3), (91,)],  # as many values as there should be
        [{"id": 90, "text": "a"}],
    ],
)
def test_a_row_among_many_that_cannot_be_stored_undoes_the_operation_alone(
    database: SqliteDatabase, path: Path, name: str, wrong: list[Any]
) -> None:
    many = [(number, "a") for number in range(BLOCK_ROWS + 5)]
    good = steps((sql["insert_plain"], [(200, "c")]))
    raised, _ = database.write_all([steps((sql[name], [*many[:9], *wrong, *many[9:]])), good])

    assert isinstance(raised, apsw.ConstraintError | apsw.BindingsError | TypeError | KeyError)
    assert seen(path, "select id from note") == [200]


def test_a_mapping_is_bound_by_name_with_and_without_a_header(database: SqliteDatabase) -> None:
    a, b = database.write(
        steps((sql["insert_note"], {"text": "a", "id": 1}), (sql["insert_named"], {"text": "b", "id": 2}))
    )

    assert (a, b) == ([{"id": 1, "text": "a", "at": 102}], [{"id": 2, "at": 102}])


def test_mappings_run_a_statement_for_each_and_their_rows_come_back_together(database: SqliteDatabase) -> None:
    [rows] = database.write(steps((sql["insert_named"], [{"text": "a", "id": 1}, {"id": 2, "text": "b"}])))

    assert rows == [{"id": 1, "at": 102}, {"id": 2, "at": 102}]


@pytest.mark.parametrize("name", ["insert_note", "insert_named"])
@pytest.mark.parametrize("none", [[], ()])
def test_an_empty_sequence_does_nothing(database: SqliteDatabase, name: str, none: Sequence[Any]) -> None:
    assert database.write(steps((sql[name], none), (sql["notes"], {}))) == [[], []]


def test_a_factory_makes_of_rows_what_it_likes(database: SqliteDatabase) -> None:
    rows = [(1, "a"), (2, "b")]
    inserted, tuples, notes = database.write(
        steps((sql["insert_note"], rows, tuple), (sql["notes"], {}, tuple), (sql["notes"], {}, Note._make))
    )

    assert inserted == [(1, "a", 102), (2, "b", 102)]
    assert tuples == inserted
    assert notes == [Note(1, "a", 102), Note(2, "b", 102)]


def test_the_time_is_read_once_in_a_transaction_and_once_in_a_read(database: SqliteDatabase) -> None:
    now = Statement("now", "select :now as now")
    *_, first = database.write_all([steps((sql["insert_note"], [(1, "a"), (2, "b")])), steps((now, {}), (now, {}))])
    second = database.read(steps((now, {}), (now, {})))

    assert first == [[{"now": 102}], [{"now": 102}]]
    assert second == [[{"now": 103}], [{"now": 103}]]


def test_a_caller_that_names_the_time_is_taken_at_its_word(database: SqliteDatabase) -> None:
    database.write(
        steps(
            (sql["insert_dated"], [(1, 7)]),
            (sql["insert_named"], {"id": 2, "text": "b", "now": 8}),
            (sql["insert_named"], [{"id": 3, "text": "c", "now": 9}]),
        )
    )

    assert [row["at"] for row in database.read(steps((sql["notes"], {})))[0]] == [7, 8, 9]


def test_what_runs_afterwards_sees_all_and_runs_once_for_each_row(database: SqliteDatabase, path: Path) -> None:
    ran: list[str] = []

    def note(_: apsw.Cursor, text: str, __: object) -> bool:
        ran.append(text)
        return True

    database._writer._connection.exec_trace = note
    results = database.write_all(
        [
            steps(Afterwards(sql["count_up"], [(3,), (1,)]), (sql["insert_plain"], [(3, "c")])),
            steps((sql["insert_plain"], [(1, "a"), (2, "b")]), Afterwards(sql["count_up"], [(1,)])),
        ]
    )
    database._writer._connection.exec_trace = None

    assert results == [[[], []], [[], []]]
    assert seen(path, "select id, text from note") == [(1, 3), (2, "b"), (3, 3)]
    assert [text.split()[0] for text in ran] == ["begin", *["insert"] * 3, *["update"] * 2, "commit"]


def test_what_an_operation_that_failed_wanted_afterwards_does_not_run(database: SqliteDatabase, path: Path) -> None:
    def fail() -> Operation[None]:
        yield Afterwards(sql["count_up"], [(2,)])
        raise InvalidInput("id", "never mind")

    good = steps((sql["insert_plain"], [(1, "a"), (2, "b")]), Afterwards(sql["count_up"], [(1,)]))
    _, failed = database.write_all([good, fail])

    assert isinstance(failed, InvalidInput)
    assert seen(path, "select id, text from note") == [(1, 2), (2, "b")]


def test_a_read_has_no_afterwards(database: SqliteDatabase) -> None:
    with pytest.raises(TypeError, match="cannot be done here"):
        database.read(steps(Afterwards(sql["count_up"], [(1,)])))


def test_what_is_no_step_is_refused(database: SqliteDatabase) -> None:
    unknown: Any = "select 1"
    with pytest.raises(TypeError, match="cannot be done here: 'select 1'"):
        database.write(steps(unknown))


def test_a_script_runs_to_its_end_also_past_rows(database: SqliteDatabase, path: Path) -> None:
    script = Script("two", "select 1; insert into note(id) values (1);\n-- postgres:\nbroken;\n-- end\nselect 2;")

    assert database.write(steps(script)) == [[]]
    assert seen(path, "select id from note") == [1]
