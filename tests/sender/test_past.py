"""Events of the past for a new endpoint, and tests of an endpoint; on every database."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from ombud.sender import backfill
from ombud.sender.endpoint import EndpointEdit
from ombud.sender.outbox import Event
from tests.sender.conftest import Running

DONE, DEAD = 1, 2


async def act(running: Running, make: Callable[[], Any]) -> Any:
    return await running.sender.writer.write(make)


async def test_what_has_happened_comes_once_and_no_other_hears_it_again(
    anywhere: Running, peer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "STEP_EVENTS", 7)
    endpoints = anywhere.sender.endpoints
    first = await anywhere.add(peer.url, event_types=["order.new"])
    await anywhere.sender.publish([Event("order.new", str(place)) for place in range(20)])
    await anywhere.sender.publish([Event("order.done", "1"), Event("order.new", "2", shop_id=2)])
    await act(anywhere, lambda: endpoints.test(first.id))
    edit = EndpointEdit(peer.url, ["order.new"])
    late, every = [await act(anywhere, partial(endpoints.add, edit, shop_id, None, 1_000_000)) for shop_id in (1, 0)]
    assert late.backfill_id is not None
    await anywhere.sender.publish([Event("order.new", "live")])
    anywhere.start()
    await anywhere.until("select 1 where not exists (select 1 from backfill)")
    deliveries = await anywhere.settled()

    def heard(endpoint: Any) -> list[str]:
        text = "select subject from delivery d join lane l on l.id = d.lane_id where l.destination_id = :id"
        return sorted(row["subject"] for row in anywhere.rows(text, id=endpoint.id))

    own = sorted([*(f"order/{place}" for place in range(20)), "order/live"])
    assert heard(first) == sorted([*own, "order/0"])
    assert heard(late) == own
    assert heard(every) == sorted([*own, "order/2"])
    assert {row["state"] for row in deliveries} == {DONE}
    assert len(peer.requests) == len(deliveries) == 22 + 21 + 22
    counted = "(select count(*) from delivery d where d.day = e.day and d.event_id = e.id) as n"
    counts = anywhere.rows(f"select e.fan_out, {counted} from event e")
    assert all(row["fan_out"] == row["n"] for row in counts)
    assert (await act(anywhere, lambda: endpoints.get(late.id))).backfill_id is None


async def test_an_endpoint_that_is_deleted_meanwhile_ends_it(anywhere: Running, peer: Any) -> None:
    endpoints = anywhere.sender.endpoints
    await anywhere.sender.publish([Event("order.new", "1")])
    late = await act(anywhere, lambda: endpoints.add(EndpointEdit(peer.url), 1, None, 1_000_000))
    await act(anywhere, lambda: endpoints.delete(late.id))
    anywhere.start()
    await anywhere.until("select 1 where not exists (select 1 from backfill)")

    assert anywhere.rows("select 1 from delivery") == []


@pytest.mark.parametrize(("status", "state", "tries"), [(200, DONE, 1), (500, DEAD, 1), (404, DEAD, 1)])
async def test_a_test_event_is_sent_once(anywhere: Running, peer: Any, status: int, state: int, tries: int) -> None:
    peer.answers(status)
    endpoint = await anywhere.add(peer.url)
    event_id = await act(anywhere, lambda: anywhere.sender.endpoints.test(endpoint.id, "product.update", "7"))
    anywhere.start()
    [delivery] = await anywhere.settled()

    assert (delivery["event_id"], delivery["state"], delivery["attempts"]) == (event_id, state, tries)
    assert peer.requests[0].startswith(b"GET /hooks?event_type=product.update&product_id=7 ")
    assert len(peer.requests) == 1
    assert (delivery["reason"] or "").endswith("A test is not repeated.") == (status != 200)


async def test_a_test_tries_a_failing_endpoint_at_once(anywhere: Running, peer: Any) -> None:
    peer.says(*[b"HTTP/1.1 503 No\r\nRetry-After: 3600\r\n\r\n"], b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    endpoint = await anywhere.add(peer.url)
    await anywhere.sender.publish([Event("order.new", "1")])
    anywhere.start()
    await anywhere.until("select 1 from lane where closed_at is not null and lease_token is null")
    event_id = await act(anywhere, lambda: anywhere.sender.endpoints.test(endpoint.id))

    await anywhere.until(f"select 1 from delivery where event_id = {event_id} and state = 1")
    assert anywhere.rows("select closed_at from lane") == [{"closed_at": None}]


async def test_every_operation_runs_on_every_database(anywhere: Running, peer: Any) -> None:
    endpoints, secret = anywhere.sender.endpoints, "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    choices: dict[str, Any] = {
        "headers": (("X-Key", "1"),),
        "rate_per_minute": 6_000,
        "latest_only": True,
        "retry": "svix",
    }
    edit = EndpointEdit(peer.url, **choices)
    made = await act(anywhere, lambda: endpoints.add(edit, 3, secret))
    for operation in (endpoints.pause, endpoints.resume, endpoints.delete, endpoints.restore):
        await act(anywhere, partial(operation, made.id))
    await act(anywhere, lambda: endpoints.rotate_secret(made.id, secret, 60))
    changed = await act(anywhere, lambda: endpoints.change(made.id, description="å", only_200=True))
    anywhere.start()
    await anywhere.sender.publish([Event("product.update", "1", 3) for _ in range(5)])
    await anywhere.settled()

    assert changed == await act(anywhere, lambda: endpoints.get(made.id))
    assert changed.signed
    assert {name: getattr(changed.edit, name) for name in choices} == choices
    assert b"webhook-signature: v1," in peer.requests[0]
    assert peer.requests[0].count(b" v1,") == 2
