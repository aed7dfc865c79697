"""Endpoints: how many, which events, and what becomes of deliveries when one is edited, switched off or deleted."""

import asyncio
from functools import partial
from typing import Any

import pytest

from ombud.errors import Conflict, InvalidInput, NotFound
from ombud.sender.ending import end_held
from ombud.sender.endpoint import LONGEST_DESCRIPTION, EndpointEdit
from ombud.sender.outbox import Event
from ombud.settings import ENDPOINTS_PER_SHOP
from ombud.wire import EVENT_TYPES

URL = "https://example.com/hooks"


def get(running: Any, endpoint_id: int) -> Any:
    return running.sender.database.read(lambda: running.sender.endpoints.get(endpoint_id))


async def delete(running: Any, endpoint: Any) -> None:
    await running.sender.writer.write(lambda: running.sender.endpoints.delete(endpoint.id))


async def test_what_is_added_can_be_read_again(running: Any) -> None:
    added = await running.add(
        URL, shop_id=7, event_types=["product.add", "order.new"], description="ERP å", enabled=False
    )

    assert get(running, added.id) == added
    assert added.edit.event_types == ("order.new", "product.add")
    assert (added.shop_id, added.edit.url, added.edit.description, added.edit.enabled) == (7, URL, "ERP å", False)
    assert added.created_at == added.updated_at


async def test_an_event_type_chosen_twice_is_chosen_once(running: Any) -> None:
    added = await running.add(URL, event_types=["order.new", "order.done", "order.new"])

    assert added.edit.event_types == get(running, added.id).edit.event_types == ("order.new", "order.done")
    [published] = await running.sender.publish([Event("order.new", "1")])
    assert published.deliveries == 1


@pytest.mark.parametrize(
    ("field", "choices"),
    [
        ("url", {"url": "ftp://example.com/"}),
        ("url", {"url": "https://example.com/?order_id=1"}),
        ("event_types", {"event_types": []}),
        ("event_types[1]", {"event_types": ["order.new", "order.paid"]}),
        ("event_types[0]", {"event_types": ["order.new,order.done"]}),
        ("description", {"description": "a" * (LONGEST_DESCRIPTION + 1)}),
        ("description", {"description": "\ud800"}),
    ],
)
async def test_what_cannot_be_accepted(running: Any, field: str, choices: dict[str, Any]) -> None:
    added = await running.add(URL)

    with pytest.raises(InvalidInput) as caught:
        await running.add(**({"url": URL} | choices))
    assert caught.value.field == field
    with pytest.raises(InvalidInput) as caught:
        await running.change(added, **choices)
    assert caught.value.field == field
    assert get(running, added.id) == added


async def test_a_shop_has_so_many_endpoints_and_no_more(running: Any) -> None:
    first = await running.add(URL)
    answers = await asyncio.gather(*(running.add(URL) for _ in range(ENDPOINTS_PER_SHOP + 5)), return_exceptions=True)

    assert sum(isinstance(answer, Conflict) for answer in answers) == 6
    assert len(running.rows("select * from endpoint")) == ENDPOINTS_PER_SHOP
    await running.add(URL, shop_id=2)
    await running.change(first, description="still to be changed")
    await delete(running, first)
    await running.add(URL)
    with pytest.raises(Conflict, match="20 endpoints"):
        await running.add(URL)


async def test_a_change_leaves_what_it_does_not_name(running: Any) -> None:
    added = await running.add(URL, event_types=["order.new"], description="ERP")

    await running.change(added, description="CRM")

    changed = get(running, added.id)
    assert changed.edit == EndpointEdit(URL, ("order.new",), "CRM", enabled=True)
    assert (changed.id, changed.lane_id, changed.created_at) == (added.id, added.lane_id, added.created_at)
    assert changed.updated_at >= added.updated_at


async def test_a_changed_choice_counts_from_the_next_event_on(running: Any) -> None:
    added = await running.add(URL, event_types=["order.new"])
    await running.change(added, event_types=["order.done"])

    published = await running.sender.publish([Event(event_type, "1") for event_type in EVENT_TYPES])

    assert [one.deliveries for one in published] == [0, 1, 0, 0, 0, 0]


async def test_a_deleted_endpoint_is_gone_for_everybody(running: Any) -> None:
    kept, gone = await running.add(URL), await running.add(URL)
    await delete(running, gone)

    listed = running.sender.database.read(lambda: running.sender.endpoints.list(1 << 62, 10))
    assert [endpoint.id for endpoint in listed] == [kept.id]
    for operation in (
        lambda: running.sender.endpoints.get(gone.id),
        lambda: running.sender.endpoints.delete(gone.id),
        lambda: running.sender.endpoints.change(gone.id, description="x"),
    ):
        with pytest.raises(NotFound, match="There is no endpoint ep_"):
            await running.sender.writer.write(operation)
    [published] = await running.sender.publish([Event("order.new", "1")])
    assert published.deliveries == 1


async def test_deliveries_of_a_disabled_endpoint_end_as_skipped(running: Any, peer: Any) -> None:
    endpoint = await running.add(peer.url)
    await running.sender.publish([Event("order.new", str(place)) for place in range(5)])
    await running.change(endpoint, enabled=False)
    [late] = await running.sender.publish([Event("order.new", "late")])
    running.start()

    deliveries = await running.settled()

    assert late.deliveries == 1
    assert [(row["state"], row["reason"]) for row in deliveries] == [(3, "endpoint disabled")] * 6
    assert peer.connections == 0


async def test_deliveries_of_a_deleted_endpoint_end_as_skipped(running: Any, peer: Any) -> None:
    endpoint = await running.add(peer.url)
    await running.sender.publish([Event("order.new", str(place)) for place in range(5)])
    await delete(running, endpoint)
    [late] = await running.sender.publish([Event("order.new", "late")])
    running.start()

    deliveries = await running.settled()

    assert late.deliveries == 0
    assert [(row["state"], row["reason"]) for row in deliveries] == [(3, "endpoint deleted")] * 5
    assert peer.connections == 0


async def test_what_waits_in_a_paused_lane_ends_too_when_the_endpoint_is_gone(
    anywhere: Any, peer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = anywhere.sender
    kept, off, gone = [await anywhere.add(peer.url) for _ in range(3)]
    for endpoint in (kept, off, gone):
        await sender.writer.write(partial(sender.endpoints.pause, endpoint.id))
    await sender.publish([Event("order.new", "1"), Event("order.new", "2")])
    await anywhere.change(off, enabled=False)
    await delete(anywhere, gone)

    async def end() -> list[tuple[int, str]]:
        while await sender.writer.write(lambda: end_held(sender.outbox.mailbox)):
            pass
        rows = anywhere.rows("select lane_id, reason from delivery where state = 3 order by lane_id")
        return [(row["lane_id"], row["reason"]) for row in rows]

    assert await end() == [], "a try of before may be under way"
    monkeypatch.setattr("ombud.sender.ending.TRIES_OVER", 0)
    assert await end() == [(off.lane_id, "endpoint disabled")] * 2 + [(gone.lane_id, "endpoint deleted")] * 2
    await sender.publish([Event("order.new", "3")])
    assert (await end()).count((off.lane_id, "endpoint disabled")) == 3
    assert len(anywhere.rows("select 1 from lane where hold_until > 4000000000000000000")) == 3, "paused still"
    assert {row["lane_id"] for row in anywhere.rows("select lane_id from delivery where state = 0")} == {kept.lane_id}


async def test_what_waits_for_its_next_try_ends_when_the_endpoint_is_switched_off(new_running: Any, peer: Any) -> None:
    running = new_running(retry_seconds=(3_600.0,))
    peer.answers(500)
    endpoint = await running.add(peer.url)
    await running.sender.publish([Event("order.new", "1")])
    running.start()
    await running.until("select 1 from attempt")

    await running.change(endpoint, enabled=False)

    [delivery] = await running.settled()
    assert (delivery["state"], delivery["reason"], delivery["attempts"]) == (3, "endpoint disabled", 1)


async def test_an_endpoint_that_is_switched_on_again_hears_of_new_events(running: Any, peer: Any) -> None:
    endpoint = await running.add(peer.url, enabled=False)
    running.start()
    await running.sender.publish([Event("order.new", "1")])
    await running.settled()
    await running.change(endpoint, enabled=True)
    await running.sender.publish([Event("order.new", "2")])

    assert [row["state"] for row in await running.settled()] == [3, 1]
    assert peer.connections == 1


async def test_a_new_url_is_used_by_the_next_try(running: Any, new_peer: Any) -> None:
    old, new = await new_peer(b"HTTP/1.1 500 No\r\n\r\n"), await new_peer()
    endpoint = await running.add(old.url)
    await running.sender.publish([Event("order.new", "1")])
    running.start()
    await running.until("select 1 from attempt")
    await running.change(endpoint, url=new.url)

    [delivery] = await running.settled()

    assert delivery["state"] == 1
    assert new.connections == 1
    assert old.connections == delivery["attempts"] - 1


async def test_a_list_of_endpoints_goes_from_new_to_old(running: Any) -> None:
    added = [await running.add(URL, shop_id=shop) for shop in (1, 2, 0, 1)]

    def listed(before: int, rows: int) -> list[int]:
        found = running.sender.database.read(lambda: running.sender.endpoints.list(before, rows))
        return [endpoint.id for endpoint in found]

    ids = [endpoint.id for endpoint in reversed(added)]
    assert listed((1 << 63) - 1, 10) == ids
    assert listed((1 << 63) - 1, 2) == ids[:2]
    assert listed(ids[1], 10) == ids[2:]
    assert listed(ids[-1], 10) == []
