"""What an endpoint was given beside its URL, as it is on the wire: headers, signatures, strict mode, 200 alone."""

from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from ombud.db.operation import Operation, Statement
from ombud.errors import InvalidInput
from ombud.mailbox.wishes import SLACK
from ombud.sender.endpoint import EndpointEdit
from ombud.sender.endpoints import PLATFORM_LANES
from ombud.sender.outbox import Event
from ombud.signing import new_secret

DONE = 1


def headers_of(request: bytes) -> dict[str, str]:
    """Return the headers of a request, in their order."""
    return dict(line.split(": ", 1) for line in request.decode("ascii").split("\r\n")[1:-2])


def is_signed(request: bytes, secret: str) -> bool:
    """Return whether the library of Standard Webhooks takes the signature."""
    signed = " ".join(request.decode("ascii").split("\r\n")[0].split(" ")[:2])
    try:
        Webhook(secret).verify(signed, headers_of(request), json_parse=False)
    except WebhookVerificationError:
        return False
    return True


async def add(running: Any, url: str, secret: str | None, shop_id: int = 1, **choices: Any) -> Any:
    edit = EndpointEdit(url, **choices)
    return await running.sender.writer.write(lambda: running.sender.endpoints.add(edit, shop_id, secret))


async def act(running: Any, verb: str, endpoint: Any, *arguments: Any) -> Any:
    operation = getattr(running.sender.endpoints, verb)
    return await running.sender.writer.write(lambda: operation(endpoint.id, *arguments))


def write(running: Any, text: str) -> None:
    def operation() -> Operation[None]:
        yield Statement(text, text), {}

    running.sender.database.write(operation)


def encrypted(running: Any, endpoint_id: int, text: str) -> Any:
    """Return headers as somebody stored them who has the key."""
    vault = running.sender.vault
    key = running.sender.database.read(vault.newest_key)
    return vault.reencrypted(key, endpoint_id, "headers", text)


async def test_headers_and_signature_are_sent(running: Any, peer: Any) -> None:
    secret = new_secret()
    await add(running, peer.url, secret, headers=(("X-Key", "k: 1"), ("x-tenant", "7")))
    await running.sender.publish([Event("order.new", "90017")])
    running.start()
    await running.settled()

    [request] = peer.requests
    names = ["Host", "User-Agent", "Cache-Control", "X-Key", "x-tenant", "webhook-id", "webhook-timestamp"]
    assert list(headers_of(request)) == [*names, "webhook-signature"]
    assert (headers_of(request)["X-Key"], headers_of(request)["x-tenant"]) == ("k: 1", "7")
    assert is_signed(request, secret)
    assert not is_signed(request, new_secret())


async def test_strict_mode_sends_what_the_vendor_sends(running: Any, peer: Any) -> None:
    await add(running, peer.url, new_secret(), headers=(("X-Key", "1"),), strict=True)
    await running.sender.publish([Event("order.new", "90017")])
    running.start()
    await running.settled()

    assert list(headers_of(peer.requests[0])) == ["Host", "User-Agent", "Cache-Control"]


async def test_during_an_overlap_both_secrets_fit_and_after_it_one(running: Any, peer: Any) -> None:
    old, new, newest = new_secret(), new_secret(), new_secret()
    endpoint = await add(running, peer.url, old)
    await act(running, "rotate_secret", endpoint, new, 3_600)
    await running.sender.publish([Event("order.new", "1")])
    running.start()
    await running.settled()
    write(running, "update endpoint set previous_until = 1")
    await running.change(endpoint, description="loaded anew")
    await running.sender.publish([Event("order.new", "2")])
    await peer.wait_for(2)
    await act(running, "rotate_secret", endpoint, newest, 0)
    await running.sender.publish([Event("order.new", "3")])
    await peer.wait_for(3)

    fits = [[is_signed(request, secret) for secret in (old, new, newest)] for request in peer.requests]
    assert fits == [[True, True, False], [False, True, False], [False, False, True]]
    assert running.rows("select previous_secret, previous_until from endpoint") == [
        {"previous_secret": None, "previous_until": None}
    ]


@pytest.mark.parametrize(("only_200", "states"), [(False, {DONE}), (True, {2})])
async def test_200_alone(new_running: Any, peer: Any, only_200: bool, states: set[int]) -> None:
    running = new_running(retry_seconds=())
    peer.answers(204)
    await running.add(peer.url, only_200=only_200)
    await running.sender.publish([Event("order.new", "1")])
    running.start()

    assert {row["state"] for row in await running.settled()} == states


async def test_a_row_that_was_written_by_hand_is_refused_at_the_try(new_running: Any, peer: Any) -> None:
    running = new_running(retry_seconds=())
    endpoint = await running.add(peer.url, headers=(("X-Key", "1"),))
    wrong = ['[["X-Key", "a\\r\\nX-Evil: 1"]]', "nonsense", "[1]", '[["Host", "a"]]']
    for place, text in enumerate(wrong):
        write(running, f"update endpoint set headers = '{encrypted(running, endpoint.id, text)}'")
        await running.sender.publish([Event("order.new", str(place))])
        if not place:
            running.start()
        await running.settled()

    assert {row["state"] for row in running.rows("select state from delivery")} == {2}
    reasons = [row["reason"] for row in running.rows("select reason from attempt")]
    assert all("header" in reason or "value of" in reason for reason in reasons)
    assert peer.connections == 0


async def test_a_paused_endpoint_hears_nothing_until_it_is_resumed(running: Any, peer: Any) -> None:
    endpoint = await running.add(peer.url)
    await act(running, "pause", endpoint)
    running.start()
    await running.sender.publish([Event("order.new", "1")])
    beside = await running.add(peer.url)
    await running.sender.publish([Event("order.new", "2")])
    await peer.wait_for(1)
    await running.until(f"select 1 from delivery where state = 1 and lane_id = {beside.lane_id}")
    assert len(peer.requests) == 1
    await act(running, "resume", endpoint)

    await running.settled()
    assert len(peer.requests) == 3


async def test_what_was_deleted_by_mistake_comes_back(running: Any, peer: Any) -> None:
    endpoint = await running.add(peer.url)
    await act(running, "delete", endpoint)
    [missed] = await running.sender.publish([Event("order.new", "1")])
    restored = await act(running, "restore", endpoint)
    [heard] = await running.sender.publish([Event("order.new", "2")])

    assert (restored.edit, restored.id, restored.lane_id) == (endpoint.edit, endpoint.id, endpoint.lane_id)
    assert (missed.deliveries, heard.deliveries) == (0, 1)


async def test_an_endpoint_of_every_shop_is_spread_over_lanes_by_subject(running: Any, peer: Any) -> None:
    endpoint = await running.add(peer.url, shop_id=0)
    own = await running.add(peer.url, shop_id=2)
    events = [Event("order.new", str(place), shop_id) for shop_id in (1, 2) for place in range(40)]
    await running.sender.publish([*events, *(Event("order.done", event.object_id, event.shop_id) for event in events)])

    found = running.rows("select * from delivery where lane_id <> :own", own=own.lane_id)
    assert len(running.rows("select * from delivery where lane_id = :own", own=own.lane_id)) == 80
    assert len(found) == 160
    lanes: dict[tuple[int, str], set[int]] = {}
    for row in found:
        lanes.setdefault((row["shop_id"], row["subject"]), set()).add(row["lane_id"])
    assert all(len(one) == 1 for one in lanes.values())
    assert len(set.union(*lanes.values())) == PLATFORM_LANES == endpoint.lanes
    running.start()
    await running.settled()
    assert len(peer.requests) == 240
    await act(running, "pause", endpoint)
    assert len(running.rows("select * from lane where hold_until > 4000000000000000000")) == PLATFORM_LANES


async def test_a_secret_that_is_none_is_not_stored(running: Any, peer: Any) -> None:
    endpoint = await add(running, peer.url, new_secret())
    for operation in (
        lambda: running.sender.endpoints.rotate_secret(endpoint.id, "whsec_short"),
        lambda: running.sender.endpoints.rotate_secret(endpoint.id, new_secret(), 604_801),
        lambda: running.sender.endpoints.add(endpoint.edit, 1, "tok_4711"),
    ):
        with pytest.raises(InvalidInput) as caught:
            await running.sender.writer.write(operation)
        assert "4711" not in str(caught.value)
    assert len(running.rows("select * from endpoint where previous_secret is null")) == 1


async def test_a_rate_is_kept(running: Any, peer: Any) -> None:
    await running.add(peer.url, rate_per_minute=1_200)
    await running.sender.publish([Event("order.new", str(place)) for place in range(8)])
    running.start()
    await running.settled()

    at = sorted(row["at"] for row in running.rows("select at from attempt"))
    assert all(when >= at[0] + place * 50_000 - SLACK - 1_000 for place, when in enumerate(at))


async def test_of_what_waits_about_a_product_the_newest_is_sent(running: Any, peer: Any) -> None:
    await running.add(peer.url, latest_only=True)
    events = [Event("product.update", str(place % 2)) for place in range(20)]
    await running.sender.publish(
        [*events, Event("product.delete", "1"), Event("order.new", "1"), Event("order.new", "1")]
    )
    running.start()
    deliveries = await running.settled()

    assert sum(row["state"] == DONE for row in deliveries) == len(peer.requests) == 5
    assert [row["state"] for row in deliveries[-5:]] == [DONE] * 5


async def test_a_schedule_by_name_is_that_of_the_endpoint(new_running: Any, peer: Any) -> None:
    running = new_running(retry_seconds=(0.05,) * 3)
    peer.answers(500)
    await running.add(peer.url, retry="shopify")
    await running.sender.publish([Event("order.new", "1")])
    running.start()
    [delivery] = await running.until("select d.due_at - a.at as wait from delivery d join attempt a on d.attempts = 1")

    assert 56 <= delivery["wait"] / 1_000_000 < 56 * 1.2 + 20
