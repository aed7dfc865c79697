"""Why an event was sent to an endpoint, or was not; and the request as a command."""

import asyncio
import shlex
import subprocess
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from shutil import which
from typing import Any

import pytest

from ombud.admin.access import Caller
from ombud.admin.explain import explain_event
from ombud.admin.why import why
from ombud.db.operation import Make
from ombud.errors import NotFound
from ombud.mailbox.ids import format_id
from ombud.mailbox.model import NEVER, State
from ombud.sender.curl import curl_of
from ombud.sender.endpoint import EndpointEdit
from ombud.sender.outbox import Event
from ombud.sender.request import prepare
from ombud.sender.sender import Sender
from ombud.settings import Settings
from ombud.signing import new_secret
from tests.support.databases import Home

NOW = 1_800_000_000_000_000


@pytest.fixture
def sender(home: Home) -> Iterator[Sender]:
    """A sender that performs nothing, on each database."""
    made = Sender(home.open(), Settings())
    yield made
    made.close()


def run(sender: Sender, make: Make[Any]) -> Any:
    return sender.database.write(make)


def add(sender: Sender, name: str, shop_id: int = 1, **choices: Any) -> Any:
    edit = EndpointEdit(f"https://{name}.example/hooks", **choices)
    return run(sender, partial(sender.endpoints.add, edit, shop_id, new_secret()))


def publish(sender: Sender, shop_id: int = 1, event_type: str = "order.new") -> int:
    [published] = run(sender, partial(sender.outbox.publish, [Event(event_type, "7", shop_id)]))
    event_id: int = published.event_id
    return event_id


def explained(sender: Sender, event_id: int, caller: Caller | None = None) -> dict[str, Any]:
    who = () if caller is None else (caller,)
    document = sender.database.read(lambda: explain_event(event_id, sender.database.clock(), sender.vault, *who))
    return {one["endpoint_id"]: one for one in document["data"]}


async def test_every_endpoint_has_its_reason(sender: Sender) -> None:
    early_gone, wants, filtered, paused, every = (
        add(sender, "early-gone"),
        add(sender, "wants"),
        add(sender, "filtered", event_types=["product.add", "order.done"]),
        add(sender, "paused"),
        add(sender, "every", 0),
    )
    foreign, off = add(sender, "foreign", 2), add(sender, "off", enabled=False)
    run(sender, partial(sender.endpoints.delete, early_gone.id))
    event_id = publish(sender)
    later = add(sender, "later")
    run(sender, partial(sender.endpoints.pause, paused.id))
    run(sender, partial(sender.endpoints.change, filtered.id, event_types=["order.new"]))
    product = publish(sender, event_type="product.add")

    found = explained(sender, event_id)
    verdicts = {endpoint: found[format_id("ep", endpoint)]["verdict"] for endpoint in
                (early_gone.id, wants.id, filtered.id, paused.id, every.id, off.id, later.id)}  # fmt: skip
    assert verdicts == {
        early_gone.id: "deleted", wants.id: "due", filtered.id: "filter", paused.id: "paused", every.id: "due",
        off.id: "disabled", later.id: "later",
    }  # fmt: skip
    assert format_id("ep", foreign.id) not in found
    assert "since" in found[format_id("ep", filtered.id)]["why"]
    other = explained(sender, product)[format_id("ep", filtered.id)]
    assert other["verdict"] == "filter"
    assert other["why"] == "The endpoint does not want product.add; it hears of order.new."
    command = shlex.split(found[format_id("ep", wants.id)]["curl"])
    assert command[-1] == "https://wants.example/hooks?event_type=order.new&order_id=7"
    assert f"webhook-id: {format_id('evt', event_id)}" in command
    assert all("whsec_" not in one["curl"] for one in found.values())
    mine = Caller("shop", 1)
    assert format_id("ep", every.id) not in explained(sender, event_id, mine)
    with pytest.raises(NotFound):
        explained(sender, event_id, Caller("shop", 2))
    with pytest.raises(NotFound):
        explained(sender, event_id + 1)


ENDPOINT: dict[str, Any] = {
    "created_at": 0, "deleted_at": None, "enabled": 1, "disabled_at": None, "disabled_reason": None,
    "rate_per_minute": None, "wants": 1, "event_types": "order.new",
}  # fmt: skip
DELIVERY: dict[str, Any] = {
    "state": State.PENDING, "reason": None, "due_at": NOW - 1, "tries": 0, "hold_until": 0, "closed_at": None,
    "lease_token": None, "place": None,
}  # fmt: skip
HELD = {"closed_at": NOW - 9, "hold_until": NOW + 5, "tries": 3, "reason": "No answer."}
WAITS = {"waits_since": NOW - 5, "connections": 64, "per_second": 200, "lease_token": 1}
CROWDED = "As many requests as one place is sent are under way there already."
EVENT: dict[str, Any] = {"type": "order.new", "data": None, "created_at": NOW - 10}


@pytest.mark.parametrize(
    ("endpoint", "delivery", "verdict", "words", "next_try_at"),
    [
        ({}, {"state": State.DONE, "tries": 2}, "sent", "Acknowledged at try 2.", None),
        ({}, {"state": State.DEAD, "tries": 12, "reason": "Answered 404: no."}, "dead", "12 tries: Answered 404", None),
        ({}, {"state": State.SKIPPED, "reason": "covered by evt_1"}, "covered", "stands for it: evt_1.", None),
        ({}, {"state": State.SKIPPED, "reason": "endpoint deleted"}, "skipped", "endpoint deleted. It can", None),
        (
            {"disabled_at": NOW, "disabled_reason": "It answered 410."},
            {"state": State.SKIPPED, "reason": "endpoint disabled"},
            "disabled",
            "since 2027-01-15T08:00:00.000000Z. It answered 410. Enable",
            None,
        ),
        ({"enabled": 0}, {}, "disabled", "about to end", None),
        ({}, {"hold_until": NEVER}, "paused", "resumes it", None),
        ({}, HELD, "held", "Try 3 failed: No", NOW + 5),
        ({}, {"due_at": NOW + 7, "tries": 1, "reason": "Answered 500."}, "retry", "The next try is at 2027", NOW + 7),
        ({"rate_per_minute": 6}, {}, "rate", "6 a minute", NOW - 1),
        ({}, WAITS | {"place": "host shop.example"}, "limit", "to host shop.example at most 64 requests", NOW - 1),
        ({}, WAITS | {"place": "address 2001:db8::/64"}, "limit", "200 start in a second", NOW - 1),
        ({"rate_per_minute": 6}, WAITS | {"place": "endpoint 7"}, "limit", "until the endpoint has", NOW - 1),
        ({}, {"due_at": NOW + 7, "reason": CROWDED}, "limit", CROWDED, NOW + 7),
        ({}, {"lease_token": 1}, "in flight", "under way", NOW - 1),
        ({}, {}, "due", "waits for a worker", NOW - 1),
    ],
)  # fmt: skip
def test_what_is_said_of_a_delivery(
    endpoint: dict[str, Any], delivery: dict[str, Any], verdict: str, words: str, next_try_at: int | None
) -> None:
    found = why(EVENT, ENDPOINT | endpoint, DELIVERY | delivery, NOW)

    assert (found.verdict, found.next_try_at) == (verdict, next_try_at)
    assert words in found.words


def test_what_is_said_where_there_is_none() -> None:
    assert why(EVENT | {"data": '{"test":true}'}, ENDPOINT, None, NOW).verdict == "other"
    assert why(EVENT | {"type": "endpoint.closed"}, ENDPOINT, None, NOW).verdict == "itself"


async def test_the_command_sends_the_very_same_bytes(tmp_path: Path) -> None:
    """Where there is no curl, what it is told is read instead; `./test` on Debian has one."""
    received = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.extend(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}/a/../b//%7Ec?q={{1,2}}&x=[0-9]&token=it's".replace("{", "%7B").replace("}", "%7D")
    prepared = prepare(url, (("X-Key", "a 'quoted' \"value\" $HOME `id`"), ("x-tenant", "7")))
    request = prepared.request(prepared.target_of("order.new", "order/7"), "webhook-id: evt_1\r\n")
    command = shlex.split(curl_of(prepared.url, request))
    if (program := which("curl")) is not None:
        quiet = subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(program, *command[1:], stdout=quiet, stderr=quiet)
        async with asyncio.timeout(20):
            await process.wait()
        assert bytes(received) == request
    server.close()
    headers = [value for flag, value in pairwise(command) if flag == "-H"]
    assert headers[0] == "Accept:"
    assert [line for line in request.decode().split("\r\n")[2:] if line] == headers[1:]
    assert command[-1] == prepared.url.scheme + "://" + prepared.url.authority + request.decode().split(" ")[1]
