"""Events and endpoints as documents: the shape that people and programs read."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ombud.admin.endpoints import endpoint_document
from ombud.admin.events import get_event, list_events, rfc3339
from ombud.errors import NotFound
from ombud.mailbox.ids import ID_LIMIT, format_delivery_id
from ombud.sender.endpoint import EndpointEdit
from ombud.sender.outbox import Event

# Year 1 to 9999, less a day at the end.
MICROSECONDS = st.integers(-62_135_596_800_000_000, 253_402_214_400_000_000)
IDS = st.integers(0, ID_LIMIT - 1)


@settings(deadline=None)
@given(MICROSECONDS)
def test_a_time_is_written_so_that_anybody_can_read_it(microseconds: int) -> None:
    text = rfc3339(microseconds)

    assert len(text) == len("2026-06-01T12:00:00.000000Z")
    assert text.endswith("Z")
    assert datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC) == timedelta(microseconds=microseconds)


def test_a_time_of_a_whole_second_has_its_microseconds() -> None:
    assert rfc3339(1_780_315_200_000_000) == "2026-06-01T12:00:00.000000Z"
    assert rfc3339(1_780_315_200_000_001) == "2026-06-01T12:00:00.000001Z"


@settings(deadline=None)
@given(st.tuples(IDS, IDS), st.tuples(IDS, IDS))
def test_two_deliveries_have_two_ids(one: tuple[int, int], other: tuple[int, int]) -> None:
    assert (format_delivery_id(*one) == format_delivery_id(*other)) == (one == other)
    assert format_delivery_id(*one).startswith("dlv_")


async def test_an_endpoint(sender: Any) -> None:
    edit = EndpointEdit("https://example.com/tok_4711", ("order.new",), "ERP", enabled=False)
    made = await sender.writer.write(lambda: sender.endpoints.add(edit, 7))

    document = endpoint_document(made)

    assert document["url"] == "https://example.com/tok_4711"
    assert (document["shop_id"], document["event_types"], document["description"], document["enabled"]) == (
        7,
        ["order.new"],
        "ERP",
        False,
    )
    assert document["created_at"] == document["updated_at"] == rfc3339(made.created_at)


async def test_an_event_of_another_box_is_not_the_senders(sender: Any, database: Any, run_sql: Any) -> None:
    [published] = await sender.publish([Event("order.new", "1")])
    assert database.read(lambda: get_event(published.event_id))["subject"] == "order/1"

    run_sql("update event set box = 2")

    with pytest.raises(NotFound, match="There is no event evt_"):
        database.read(lambda: get_event(published.event_id))
    assert database.read(lambda: list_events(ID_LIMIT - 1, 10)) == []


async def test_an_endpoint_whose_row_is_missing_is_shown_as_missing(sender: Any, database: Any, run_sql: Any) -> None:
    await sender.writer.write(lambda: sender.endpoints.add(EndpointEdit("https://example.com/")))
    [published] = await sender.publish([Event("order.new", "1")])
    run_sql("delete from endpoint")

    [delivery] = database.read(lambda: get_event(published.event_id))["deliveries"]

    assert (delivery["endpoint_id"], delivery["url"], delivery["state"]) == (None, None, "pending")


async def test_attempts_stand_with_their_own_delivery_in_order(sender: Any, database: Any, run_sql: Any) -> None:
    for path in ("a", "b"):
        await sender.writer.write(lambda path=path: sender.endpoints.add(EndpointEdit(f"https://example.com/{path}")))
    [published] = await sender.publish([Event("order.new", "1")])
    lanes = [row["lane_id"] for row in run_sql("select lane_id from delivery order by lane_id")]
    for place, (lane, late) in enumerate([(lanes[0], 0), (lanes[1], 0), (lanes[0], 1)]):
        run_sql(
            "insert into attempt"
            "(day, shop_id, event_id, lane_id, id, generation, at, milliseconds, status, outcome, late)"
            " select day, 1, id, :lane, :id, 0, :id, 5, 500, 'retry', :late from event where id = :event",
            event=published.event_id,
            lane=lane,
            id=place,
            late=late,
        )

    first, second = database.read(lambda: get_event(published.event_id))["deliveries"]

    assert [(attempt["at"], attempt["late"]) for attempt in first["attempts"]] == [
        (rfc3339(0), False),
        (rfc3339(2), True),
    ]
    assert [attempt["at"] for attempt in second["attempts"]] == [rfc3339(1)]
