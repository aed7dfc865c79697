"""What an earlier Ombud has stored is found again, on the days on which it came."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from ombud.db.migrate import _apply, migrate, migrations_of, version_of
from ombud.db.operation import Operation, Row, Statement
from ombud.db.sqlite import SqliteDatabase
from ombud.mailbox.lease import sweep
from ombud.mailbox.mailbox import DAY_MICROSECONDS, Policy
from ombud.mailbox.model import NEVER, Delivery, Done, Outcome, Retry, State
from tests.mailbox.office import Clock, Office, Performing, WatchedWriter, working

MAILBOX = "ombud.mailbox"
NOON = DAY_MICROSECONDS // 2
# Days since 1970 on which things were stored.
FIRST, SECOND = 20_000, 20_003


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    """A file as the first version has left it."""
    opened = SqliteDatabase(tmp_path / "ombud.db", Clock())
    first, *_ = migrations_of(MAILBOX)
    opened.write(partial(_apply, opened, MAILBOX, first))
    yield opened
    opened.close()


def run(database: SqliteDatabase, text: str, **values: object) -> list[Row]:
    def once() -> Operation[list[Row]]:
        rows: list[Row] = yield Statement(text, text), values
        return rows

    return database.write(once)


def fill(database: SqliteDatabase) -> None:
    lane = "insert into lane(id, box, shop_id, destination_id, wake_at, crashes, failures, window_size)"
    run(database, f"{lane} values (1, 1, 7, 1, 5, 0, 2, 16), (2, 1, 8, 2, 6, 1, 0, 1), (3, 2, 7, 1, {NEVER}, 0, 0, 1)")
    for id_, shop, day, fan_out in ((10, 7, FIRST, 2), (11, 8, FIRST, 1), (12, 7, SECOND, 1), (13, 7, SECOND, 0)):
        created = day * DAY_MICROSECONDS + NOON
        said = f"1, 'order.new', 'order/{id_}', 'data {id_}'"
        run(database, f"insert into event values ({shop}, {id_}, {said}, {created}, {fan_out})")
    for row in (
        "7, 10, 1, 'order/10', 0, 0, 99, 2, 1, 'Answered 500.'",
        "7, 10, 3, 'order/10', 1, 0, 98, 1, 0, null",
        "8, 11, 2, 'order/11', 2, 1, 97, 3, 0, 'gone'",
        "7, 12, 1, 'order/12', 0, 0, 96, 0, 0, null",
    ):
        run(database, f"insert into delivery values ({row})")
    for row in (
        "7, 10, 1, 100, 1, 50, 12, 500, 'retry', 'Answered 500.', 0",
        "7, 10, 1, 101, 1, 60, 13, null, 'retry', 'No answer.', 1",
        "8, 11, 2, 102, 0, 70, 14, 410, 'dead', 'gone', 0",
    ):
        run(database, f"insert into attempt values ({row})")
    run(database, "insert into event_key(shop_id, key, event_id) values (7, 'key', 10)")


def test_every_row_is_there_on_the_day_of_its_event(database: SqliteDatabase) -> None:
    fill(database)
    before = {table: run(database, f"select * from {table}") for table in ("event", "delivery", "attempt")}
    migrate(database, [MAILBOX])
    days = {10: FIRST, 11: FIRST, 12: SECOND, 13: SECOND}

    for table, rows in before.items():
        name = "id" if table == "event" else "event_id"
        after = run(database, f"select * from {table} order by shop_id, {name}")
        assert len(after) == len(rows)
        new = ("day", "open_since")
        kept = [{column: value for column, value in row.items() if column not in new} for row in after]
        assert sorted(map(repr, kept)) == sorted(repr(dict(row)) for row in rows)
        assert all(row["day"] == days[row[name]] for row in after)
    assert run(database, "select day from day order by day") == [{"day": FIRST}, {"day": SECOND}]
    assert run(database, "select * from event_key") == [{"shop_id": 7, "key": "key", "event_id": 10}]


def test_the_time_of_what_was_tried_runs_from_its_event_and_of_what_was_not_from_its_first_try(
    database: SqliteDatabase,
) -> None:
    fill(database)
    migrate(database, [MAILBOX])

    created = FIRST * DAY_MICROSECONDS + NOON
    since = {(row["event_id"], row["lane_id"]): row["open_since"] for row in run(database, "select * from delivery")}
    assert since == {(10, 1): created, (10, 3): created, (11, 2): created, (12, 1): None}


def test_lanes_are_as_they_were_and_healthy(database: SqliteDatabase) -> None:
    fill(database)
    migrate(database, [MAILBOX])
    lanes = run(database, "select * from lane order by id")

    assert [(row["id"], row["wake_at"], row["window_size"], row["failures"], row["crashes"]) for row in lanes] == [
        (1, 5, 16, 2, 0),
        (2, 6, 1, 0, 1),
        (3, NEVER, 1, 0, 0),
    ]
    assert {(row["closed_at"], row["given_up_at"], row["closed_time"], row["warned"]) for row in lanes} == {
        (None, None, 0, 0)
    }


async def test_what_was_pending_is_performed_and_what_is_old_ends(database: SqliteDatabase) -> None:
    fill(database)
    office = Office(database, Policy())
    for lane_id in (1, 2, 3):
        office.rows("insert into destination(lane_id, closed, note) values (:lane_id, null, 'first')", lane_id=lane_id)
    writer = WatchedWriter(database)
    data: list[tuple[int, str | None, int]] = []

    async def perform(delivery: Delivery, _: object) -> Outcome:
        data.append((delivery.event_id, delivery.data, delivery.attempts))
        return Done()

    async with working(office, writer, perform):
        await writer.until(lambda: office.pending() == 0)
    writer.close()

    assert sorted(data) == [(10, "data 10", 2), (12, "data 12", 0)]
    assert office.state(11) == State.DEAD
    assert office.outcomes(10) == ["retry", "retry", "done"]
    office.run(sweep)


async def test_a_deadline_that_came_with_the_new_version_spares_what_was_never_tried(database: SqliteDatabase) -> None:
    fill(database)
    office = Office(database, Policy(deadline_seconds=72 * 3_600.0))
    for lane_id in (1, 2, 3):
        office.rows("insert into destination(lane_id, closed, note) values (:lane_id, null, 'first')", lane_id=lane_id)
    writer = WatchedWriter(database)
    async with working(office, writer, Performing(lambda _: Retry("Answered 404."))):
        await writer.until(lambda: office.state(10, 1) == State.DEAD)
        await writer.until(lambda: office.delivery(12)["attempts"] == 1)
    writer.close()

    assert office.state(12) == State.PENDING


def test_a_file_without_a_row_is_migrated_too(database: SqliteDatabase) -> None:
    migrate(database, [MAILBOX])

    assert version_of(database, MAILBOX) == len(migrations_of(MAILBOX))
    assert run(database, "select day from day") == []
