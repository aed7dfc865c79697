"""What is said of endpoints that fail, to whom, and how one is disabled: on every database, over the wire."""

from typing import Any

import pytest

from ombud.db.operation import Operation
from ombud.errors import InvalidInput
from ombud.mailbox.ids import format_id
from ombud.sender.notices import GONE_REASON, Notice
from ombud.sender.outbox import Event
from ombud.wire import EVENT_TYPES, OPERATIONAL_TYPES

PAUSE = b"HTTP/1.1 503 No\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
DONE, DEAD, SKIPPED = 1, 2, 3


def targets(peer: Any) -> list[str]:
    return [request.decode().split(" ")[1] for request in peer.requests]


async def get(running: Any, endpoint: Any) -> Any:
    return await running.sender.database.fetch(lambda: running.sender.endpoints.get(endpoint.id))


async def test_closed_and_recovered_are_said_to_who_has_chosen_it(anywhere: Any, new_peer: Any) -> None:
    sick, operator, deaf = await new_peer(PAUSE, OK), await new_peer(OK), await new_peer(OK)
    endpoint = await anywhere.add(sick.url, event_types=["order.new", *OPERATIONAL_TYPES])
    await anywhere.add(operator.url, shop_id=0, event_types=["endpoint.closed", "endpoint.recovered"])
    await anywhere.add(deaf.url, shop_id=2, event_types=list(OPERATIONAL_TYPES))
    await anywhere.add(deaf.url, shop_id=1, event_types=["endpoint.disabled"])
    heard: list[Notice] = []

    def hear(notice: Notice) -> Operation[None]:
        heard.append(notice)
        yield from ()

    anywhere.sender.notices.also.append(hear)
    await anywhere.sender.publish([Event("order.new", "1")])
    anywhere.start()
    await anywhere.settled()

    public = format_id("ep", endpoint.id)
    assert sorted(targets(operator)) == [
        f"/hooks?event_type=endpoint.closed&endpoint_id={public}",
        f"/hooks?event_type=endpoint.recovered&endpoint_id={public}",
    ]
    # Not to itself, not to another shop, nor what was not chosen.
    assert {target.partition("&")[0] for target in targets(sick)} == {"/hooks?event_type=order.new"}
    assert deaf.requests == []
    # An alarm may hear it twice when a turn was repeated; what it writes is undone with the turn.
    assert {notice.type for notice in heard} == {"endpoint.closed", "endpoint.recovered"}
    assert {(notice.endpoint_id, notice.shop_id, notice.detail["endpoint_id"]) for notice in heard} == {
        (endpoint.id, 1, public)
    }
    assert anywhere.rows("select closed_since, warned_day from endpoint where closed_since is not null") == []


async def test_what_becomes_of_an_endpoint_of_every_shop_is_said_once(anywhere: Any, new_peer: Any) -> None:
    sick, operator = await new_peer(PAUSE, OK), await new_peer(OK)
    endpoint = await anywhere.add(sick.url, shop_id=0, event_types=["order.new"])
    await anywhere.add(operator.url, shop_id=0, event_types=["endpoint.closed"])
    await anywhere.sender.publish([Event("order.new", "1")])
    anywhere.start()
    await anywhere.settled()

    assert targets(operator) == [f"/hooks?event_type=endpoint.closed&endpoint_id={format_id('ep', endpoint.id)}"]


async def test_a_dead_delivery_is_said_once_and_its_own_word_never(anywhere: Any, new_peer: Any) -> None:
    sick, operator = await new_peer(), await new_peer()
    sick.answers(404)
    operator.answers(404)
    endpoint = await anywhere.add(sick.url, event_types=["order.new"])
    await anywhere.add(operator.url, shop_id=0, event_types=["delivery.dead"])
    [published] = await anywhere.sender.publish([Event("order.new", "1")])
    anywhere.start()
    deliveries = await anywhere.settled()

    assert [row["state"] for row in deliveries] == [DEAD, DEAD]
    [event] = anywhere.rows("select type, subject, data from event where type = 'delivery.dead'")
    name = format_id("dlv", published.event_id) + format_id("", endpoint.lane_id)[1:]
    assert event["subject"] == f"delivery/{name}"
    assert f'"event_id": "{format_id("evt", published.event_id)}"' in event["data"]
    assert "attempt 4 was the last" in event["data"]
    assert targets(operator)[0] == f"/hooks?event_type=delivery.dead&delivery_id={name}"


async def test_gone_twice_an_hour_apart_is_gone(anywhere: Any, peer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("notices", "endpoint_attempt"):
        monkeypatch.setattr(f"ombud.sender.{name}.GONE_APART", 60_000)
    peer.answers(410)
    endpoint = await anywhere.add(peer.url)
    await anywhere.sender.publish([Event("order.new", str(place)) for place in range(3)])
    anywhere.start()
    await anywhere.settled()
    await anywhere.until("select 1 from endpoint where enabled = 0")

    stopped = await get(anywhere, endpoint)
    assert (stopped.edit.enabled, stopped.disabled_reason) == (False, GONE_REASON)
    assert stopped.disabled_at is not None
    peer.answers(200)
    await anywhere.change(endpoint, enabled=True)
    assert await get(anywhere, endpoint) == await get(anywhere, endpoint)
    again = await get(anywhere, endpoint)
    assert (again.disabled_at, again.disabled_reason) == (None, None)
    assert anywhere.rows("select gone_at from endpoint") == [{"gone_at": None}]
    await anywhere.sender.publish([Event("order.new", "9")])
    await anywhere.until("select 1 from delivery where state = 1")


async def test_gone_once_is_forgiven(anywhere: Any, peer: Any) -> None:
    peer.answers(410, 200)
    await anywhere.add(peer.url)
    await anywhere.sender.publish([Event("order.new", "1")])
    anywhere.start()
    await anywhere.settled()

    # What was loaded before it was noted does not know of it; the next load does.
    await anywhere.sender.publish([Event("order.new", "2")])
    await anywhere.until("select 1 where (select count(*) from delivery where state = 1) = 2")
    await anywhere.sender.publish([Event("order.new", "3")])
    await anywhere.until("select 1 from endpoint where gone_at is null")


async def test_a_new_url_is_tried_at_once(anywhere: Any, new_peer: Any) -> None:
    sick, better = await new_peer(PAUSE.replace(b": 1", b": 3600")), await new_peer(OK)
    endpoint = await anywhere.add(sick.url)
    await anywhere.sender.publish([Event("order.new", str(place)) for place in range(3)])
    anywhere.start()
    await anywhere.until("select 1 from lane where closed_at is not null and lease_token is null")
    assert len(anywhere.rows("select 1 from endpoint where closed_since is not null")) == 1

    await anywhere.change(endpoint, url=better.url)
    await anywhere.until("select 1 from lane where closed_at is null")
    await anywhere.until("select 1 from endpoint where closed_since is null")


async def test_enabling_resumes_nothing_that_a_person_has_paused(anywhere: Any, peer: Any) -> None:
    endpoint = await anywhere.add(peer.url, enabled=False)
    await anywhere.sender.writer.write(lambda: anywhere.sender.endpoints.pause(endpoint.id))
    await anywhere.change(endpoint, enabled=True)

    assert len(anywhere.rows("select 1 from lane where hold_until > 4000000000000000000")) == 1


@pytest.mark.parametrize("event_type", OPERATIONAL_TYPES)
def test_nobody_can_publish_what_the_sender_says_of_itself(event_type: str) -> None:
    with pytest.raises(InvalidInput, match="is not one of"):
        Event(event_type, "1")
    assert event_type not in EVENT_TYPES
