"""`ombud relay`: what was confirmed goes on to an endpoint in any language, once per change, until it is taken."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from standardwebhooks.webhooks import Webhook

from ombud import signing
from ombud.cli.relay import RelayOptions, RelayWork, body_of
from ombud.errors import ConfigurationError
from ombud.receiver.model import Call
from tests.receiver.served import Hook, environment, hook_of
from tests.receiver.store import Store
from tests.receiver.world import Desk
from tests.support.endpoint import Endpoint
from tests.support.processes import Commands, Ombuds

SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KEY = signing.read_secret(SECRET)


@asynccontextmanager
async def relaying(desk: Desk, url: str, *keys: bytes, post: bool = False) -> AsyncIterator[None]:
    """Read and send on while the block runs."""
    work = RelayWork(desk.receiver, RelayOptions(url, post=post), url, keys)
    task = asyncio.create_task(work.run())
    try:
        yield
    finally:
        work.stop()
        await task


async def test_a_get_is_as_on_the_wire(desk: Desk, store: Store, endpoint: Endpoint) -> None:
    order_id = store.pay()
    async with relaying(desk, f"{endpoint.url}?token=abc"):
        for _ in range(3):
            await desk.tell("order.new", order_id)
    [seen] = endpoint.requests
    assert seen.raw == (
        b"GET /webhooks?token=abc&event_type=order.new&order_id=%b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
        b"User-Agent: Quickbutik-Webhooks/1.0\r\nCache-Control: no-cache\r\n\r\n" % (order_id.encode(), endpoint.port)
    )


async def test_a_forged_webhook_goes_nowhere(desk: Desk, store: Store, endpoint: Endpoint) -> None:
    unpaid = store.place()
    async with relaying(desk, endpoint.url):
        await desk.hear("order.new", unpaid)
        await desk.hear("order.cancelled", "404404")
        await desk.until(lambda: len(desk.rows("select 1 from attempt where outcome = 'retry'")) >= 2)
    assert endpoint.requests == []


async def test_a_post_carries_the_object(desk: Desk, store: Store, endpoint: Endpoint) -> None:
    product_id = store.client.create_product(title="Skål", price="10.00", stock=7)
    async with relaying(desk, endpoint.url, KEY, post=True):
        await desk.tell("product.add", product_id)
        store.price(product_id, "11.00")
        await desk.tell("product.update", product_id)
    first, second = endpoint.requests
    assert first.raw.startswith(b"POST /webhooks HTTP/1.1\r\n")
    headers = dict(line.split(": ", 1) for line in first.raw.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:])
    body = json.loads(first.body)
    assert (body["event_type"], body["product_id"], body["product"]["title"]) == ("product.add", product_id, "Skål")
    assert (headers["Content-Type"], headers["Idempotency-Key"]) == ("application/json", body["key"])
    assert Webhook(SECRET).verify(first.body, {name.lower(): value for name, value in headers.items()}) == body
    changed = json.loads(second.body)
    assert [float(changed[name]["price"]) for name in ("before", "product")] == [10.0, 11.0]
    assert changed["key"] != body["key"]


async def test_it_is_sent_again_until_it_is_taken_with_one_key(desk: Desk, store: Store, endpoint: Endpoint) -> None:
    for status in (500, 302, 404):
        endpoint.answer(status)
    async with relaying(desk, endpoint.url, post=True):
        await desk.tell("order.new", store.pay())
    assert len({json.loads(seen.body)["key"] for seen in endpoint.requests}) == 1
    assert len(endpoint.requests) == 4
    [run] = desk.runs()
    assert (run["name"], run["state"], run["attempts"]) == ("relay", "done", 4)
    reasons = [attempt["reason"] for attempt in desk.attempts(run["id"])]
    assert [reason.partition(":")[0] for reason in reasons[:3]] == ["Answered 500", "Answered 302", "Answered 404"]


async def test_an_endpoint_that_is_down_is_said(desk: Desk, store: Store) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    async with relaying(desk, f"http://127.0.0.1:{port}/"):
        await desk.hear("order.new", store.pay())
        await desk.until(lambda: desk.rows("select 1 from attempt where reason like '%refused%'"))
    assert desk.runs()[0]["state"] == "pending"


async def test_a_post_needs_what_only_the_api_tells(believing: Desk, endpoint: Endpoint) -> None:
    with pytest.raises(ConfigurationError, match="OMBUD_CONFIRM=none gives ids alone"):
        await RelayWork(believing.receiver, RelayOptions("-", post=True), endpoint.url, []).run()
    await believing.hear("order.new", "7")
    async with relaying(believing, endpoint.url):
        await believing.settled()
    assert [seen.query for seen in endpoint.requests] == ["event_type=order.new&order_id=7"]


MOMENT = 1_800_000_000_123_456  # microseconds


def test_the_body_of_what_is_gone() -> None:
    call = Call("relay", "product.delete", "product/7", "shop", "k", 1, "webhook", MOMENT, {"id": 7}, None)
    assert body_of(call) == {
        "event_type": "product.delete",
        "product_id": "7",
        "shop": "shop",
        "key": "k",
        "source": "webhook",
        "received_at": "2027-01-15T08:00:00.123456Z",
        "product": None,
        "before": {"id": 7},
    }


def test_the_command(ombuds: Ombuds, commands: Commands, store: Store, endpoint: Endpoint) -> None:
    settings = environment(commands.folder, store)
    secret = commands.folder / "secret"
    secret.write_text(f"{SECRET}\n")
    options = ["--to", f"{endpoint.url}?token=abc", "--secret-file", str(secret), "--port", "0"]
    ombud = ombuds.start("relay", *options, **settings)
    assert ombud.card["to"] == f"http://127.0.0.1:{endpoint.port}/…"
    order_id = store.pay()
    assert Hook(hook_of(ombud)).hear("order.new", order_id) == 200
    seen = endpoint.next()
    headers = dict(line.split(": ", 1) for line in seen.raw.decode().split("\r\n")[1:] if line)
    signing.verify([KEY], headers, seen.target, int(headers["webhook-timestamp"]))
    assert seen.query.endswith(f"order_id={order_id}")
    assert ombud.stop() == 0
    for wrong, said in (
        (["--to", "ftp://x"], "The URL must start with"),
        (["--to", endpoint.url, "--secret-file", "nowhere"], "--secret-file cannot be read"),
    ):
        done = commands.run("relay", *wrong, **settings)
        assert (done.code, done.error.count("\n"), said in done.error) == (2, 1, True)
