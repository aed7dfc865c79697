"""What PostgreSQL is sent for a statement and its values. No server is needed."""

import pytest

from ombud.db.operation import Statement
from ombud.db.postgres_text import SERVER_NOW, for_mapping, for_rows

ROWS = (("shop_id", "bigint"), ("reason", "text"))


def test_names_become_numbers_with_the_type_of_their_values() -> None:
    statement = Statement("s", "select :b, :a, :b, ':a', a::text -- :c", "")

    assert for_mapping(statement, {"a": 1, "b": "x"}, None) == (
        "select $2::text, $1::bigint, $2::text, ':a', a::text -- :c",
        (1, "x"),
    )


@pytest.mark.parametrize(
    ("value", "kind"), [(True, "bigint"), (7, "bigint"), ("x", "text"), (b"x", "bytea"), (0.5, "double precision")]
)
def test_types(value: object, kind: str) -> None:
    assert for_mapping(Statement("s", "select :a"), {"a": value}, None) == (f"select $1::{kind}", (value,))


def test_a_null_is_no_parameter() -> None:
    statement = Statement("s", "select :a where :after is null or n > :after")

    assert for_mapping(statement, {"a": 1, "after": None}, None) == (
        "select $1::bigint where null is null or n > null",
        (1,),
    )


def test_now_is_the_servers_unless_it_is_given() -> None:
    statement = Statement("s", "select :now + :n")

    assert for_mapping(statement, {"n": 1}, None) == (f"select {SERVER_NOW} + $1::bigint", (1,))
    assert for_mapping(statement, {"n": 1}, 5) == ("select $2::bigint + $1::bigint", (1, 5))
    assert for_mapping(statement, {"n": 1, "now": 7}, 5) == ("select $2::bigint + $1::bigint", (1, 7))


def test_what_is_no_value_of_a_database_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="list is not kept in a database"):
        for_mapping(Statement("s", "select :a"), {"a": []}, None)
    with pytest.raises(KeyError, match="s has no value for a"):
        for_mapping(Statement("s", "select :a"), {"b": 1}, None)


def test_all_rows_at_once_are_arrays() -> None:
    statement = Statement("s", "", "update d set at = :now from {rows} r where r.shop_id = d.shop_id", ROWS)
    text, executions = for_rows(statement, [(1, "a"), (2, None)], None)

    table = "(select * from unnest($1::text::bigint[], $2::text[]) as u(shop_id, reason))"
    assert text.sql == f"update d set at = {SERVER_NOW} from {table} r where r.shop_id = d.shop_id"
    assert executions == [("{1,2}", ["a", None])]

    text, executions = for_rows(statement, [(1, "a")], 5)
    assert text.sql == f"update d set at = $3::bigint from {table} r where r.shop_id = d.shop_id"
    assert executions == [("{1}", ["a"], 5)]


def test_a_column_of_numbers_holds_numbers() -> None:
    statement = Statement("s", "", "select shop_id from {rows} r", ROWS)
    ((numbers, _),) = for_rows(statement, [(None, "a"), (-(1 << 63), ""), (True, "")], None)[1]
    assert numbers == "{null,-9223372036854775808,1}"

    for other in ("1,2", 1.5):
        with pytest.raises(TypeError, match="requires a 'int' object"):
            for_rows(statement, [(other, "a")], None)


@pytest.mark.parametrize(
    ("sql", "returns_rows"),
    [
        ("insert into d values (:shop_id, :reason)", False),
        ("insert into d values (:shop_id, :reason) RETURNING shop_id", True),
        ("select :shop_id, :reason", True),
        ("with x as (select 1) select :shop_id, :reason", True),
    ],
)
def test_one_execution_for_each_row(sql: str, returns_rows: bool) -> None:
    text, executions = for_rows(Statement("s", sql, "", ROWS), [(1, "a"), (2, "b")], 5)

    assert "$1::bigint, $2::text" in text.sql
    assert executions == [(1, "a"), (2, "b")]
    assert text.returns_rows is returns_rows


def test_a_row_of_another_width_is_a_mistake() -> None:
    statement = Statement("s", "insert into d values (:shop_id, :reason)", "", ROWS)

    with pytest.raises(ValueError, match="s takes rows of 2 values"):
        for_rows(statement, [(1, "a"), (2,)], None)
