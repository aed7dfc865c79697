"""Requests that an endpoint's owner would have us make to the inside: a thousand ways, and not one arrives.

The full run: OMBUD_TEST_REBINDINGS=10000 ./test tests/sender/test_ssrf.py
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from ombud.errors import InvalidInput
from ombud.mailbox.model import Delivery, Done, Retry
from ombud.sender.deliver import Deliverer
from ombud.sender.guard import Guard, Vetted
from ombud.sender.outbox import Event
from ombud.sender.transport import Transport
from ombud.sender.transport_connection import Key
from ombud.sender.url import EndpointUrl, parse_url
from tests.support.name_server import NameServer, Says
from tests.support.ssrf import ADDRESSES, BAIT, CREDENTIALS, embeddings, spellings, urls

REBINDINGS = int(os.environ.get("OMBUD_TEST_REBINDINGS", "400"))

# So that what is refused is refused for its address, not for its port.
EVERY_PORT = range(1, 65_536)
EVERYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Canary:
    """Listens where nothing may arrive, and counts what does: one port, on several addresses of loopback."""

    def __init__(self) -> None:
        self.hits: list[str] = []
        self.port = 0
        self._servers: list[asyncio.Server] = []
        self._writers: list[asyncio.StreamWriter] = []

    async def start(self, *hosts: str) -> "Canary":
        for host in hosts:
            server = await asyncio.start_server(self._serve, host, self.port)
            self._servers.append(server)
            self.port = server.sockets[0].getsockname()[1]
        return self

    def close(self) -> None:
        for server in self._servers:
            server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self.hits.append(writer.get_extra_info("sockname")[0])
        with suppress(asyncio.IncompleteReadError, OSError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(OK)


@pytest.fixture
async def new_canary() -> AsyncIterator[Callable[..., Any]]:
    """Listen where nothing may arrive."""
    made: list[Canary] = []

    async def start(*hosts: str) -> Canary:
        made.append(Canary())
        return await made[-1].start(*hosts)

    yield start
    for canary in made:
        canary.close()
    await asyncio.sleep(0)


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note every address that is about to be connected to; beyond loopback nothing is."""
    seen: list[str] = []
    reach = Transport._reach

    async def noting(self: Transport, key: Key, until: float) -> socket.socket:
        seen.append(key[4])
        assert ip_address(key[4]).is_loopback, f"about to connect to {key[4]}"
        return await reach(self, key, until)

    monkeypatch.setattr(Transport, "_reach", noting)
    return seen


def delivery() -> Delivery:
    return Delivery(1, 1, 1 << 50, 1, "order.new", "order/90017", None, 0, 0, 0, 0, 0, None)


async def attempt(deliverer: Deliverer, url: str) -> Any:
    return await deliverer.perform(delivery(), {"url": url})


def strict(deliverer: Any) -> Deliverer:
    """Make a deliverer for which every port is open, and no address of the inside."""
    made: Deliverer = deliverer(allowed=(), guard=Guard((), ports=EVERY_PORT), timeout_seconds=5.0)
    return made


async def test_no_spelling_reaches_the_inside(deliverer: Any, new_canary: Any, dialled: list[str]) -> None:
    canary = await new_canary("127.0.0.1", "::1", "127.0.0.2")
    vectors, one = urls(canary.port), strict(deliverer)
    assert len(vectors) >= 1_000

    outcomes = {url: await attempt(one, url) for url in vectors}

    assert [url for url, outcome in outcomes.items() if not isinstance(outcome, Retry)] == []
    assert (canary.hits, dialled) == ([], [])


async def test_no_spelling_is_accepted_when_it_is_entered(new_running: Any, new_canary: Any) -> None:
    canary = await new_canary("127.0.0.1")
    running = new_running(allow_networks=())
    guard: Guard = running.sender.deliverer.guard
    accepted = []

    for url in urls(canary.port):
        try:
            accepted.append((await guard.check_now(url)).host)
        except InvalidInput:
            continue

    # Where the rest of the disguise is a path, the bait is what is meant, and nothing else.
    assert set(accepted) == {BAIT}
    assert len(accepted) < 20
    assert canary.hits == []


async def test_without_the_guard_they_would(
    deliverer: Any, new_canary: Any, dialled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vectors are real: a build whose guard sees nothing arrives."""
    canary = await new_canary("127.0.0.1", "127.0.0.2", "127.1.2.3")
    monkeypatch.setattr("ombud.sender.guard.refusal", lambda *_: None)
    one = strict(deliverer)
    hosts = [host for text in ("127.0.0.1", "127.0.0.2", "127.1.2.3") for host in spellings(text)]
    hosts = [host for host in hosts if "[" not in host]

    outcomes = [await attempt(one, f"http://{host}:{canary.port}/") for host in hosts]

    # Digits of other scripts, dots of other scripts, a trailing dot, plainly: what the grammar alone lets pass.
    assert sum(isinstance(outcome, Done) for outcome in outcomes) >= 15
    assert set(canary.hits) == {"127.0.0.1", "127.0.0.2", "127.1.2.3"}


@pytest.mark.parametrize("text", ADDRESSES)
def test_a_spelling_is_refused_or_means_what_it_means_to_the_system(text: str) -> None:
    hosts = list(dict.fromkeys([*spellings(text), *embeddings(text)]))
    understood = 0
    for host in hosts:
        try:
            ours = parse_url(f"http://{host}/").host
        except InvalidInput:
            continue
        bare = host.strip("[]")
        try:
            theirs = socket.getaddrinfo(bare, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        except (socket.gaierror, UnicodeError, ValueError):
            # Nobody takes it for an address; and nor do we, or as one that is judged.
            assert not _is_address(ours) or ip_address(ours) is not None
            continue
        understood += 1
        assert _is_address(ours), f"{host!r} is {theirs[0][4][0]} to the system and the name {ours!r} to us"
        assert ip_address(ours) == ip_address(str(theirs[0][4][0]).partition("%")[0])
    assert understood >= 5


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


NAMED: dict[str, Says] = {
    **{f"a{number}.example": Says([text]) for number, text in enumerate(ADDRESSES)},
    **{f"b{number}.example": Says(["8.8.8.8", text]) for number, text in enumerate(ADDRESSES)},
    **{f"c{number}.example": Says([text, "8.8.8.8"]) for number, text in enumerate(ADDRESSES)},
    **{
        f"d{number}.example": Says([text], aliases=["one.example", "two.example"])
        for number, text in enumerate(ADDRESSES)
    },
    **{f"e{number}.example": Says([f"::ffff:{text}"]) for number, text in enumerate(ADDRESSES)},
    **{f"f{number}.example": Says(["2a00::1", f"64:ff9b::{text}"]) for number, text in enumerate(ADDRESSES)},
    "six.example": Says(["::1"]),
    "both.example": Says(["127.0.0.1", "::1"]),
    "local.example": Says(["fe80::1", "fc00::1", "fec0::1"]),
    "hundred.example": Says([f"8.8.{part}.8" for part in range(99)] + ["127.0.0.1"], cut_by_udp=True),
    "alias.example": Says(["127.0.0.1"], aliases=["localhost"]),
    "metadata.google.internal": Says(["169.254.169.254"]),
    "wildcard.127.0.0.1.nip.example": Says(["127.0.0.1"]),
}


async def test_no_name_leads_inside(names: NameServer, deliverer: Any, new_canary: Any, dialled: list[str]) -> None:
    canary = await new_canary("127.0.0.1", "::1", "127.0.0.2")
    one = strict(deliverer)
    for host, says in NAMED.items():
        names.are(host, says)

    for host in (*NAMED, "localhost", "localhost.", "LOCALHOST", "a.localhost"):
        outcome = await attempt(one, f"http://{host}:{canary.port}/")
        assert isinstance(outcome, Retry), host
        assert "could not be resolved" not in outcome.reason or host.endswith("localhost")

    assert (canary.hits, dialled) == ([], [])


@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308, 200, 401, 503])
async def test_no_answer_leads_inside(
    deliverer: Any, new_canary: Any, new_peer: Any, dialled: list[str], status: int
) -> None:
    canary = await new_canary("127.0.0.2")
    there = f"http://127.0.0.2:{canary.port}/"
    head = f"HTTP/1.1 {status} Told\r\nLocation: {there}\r\nRefresh: 0; url={there}\r\nContent-Location: {there}\r\n"
    more = f'Link: <{there}>; rel=preload\r\nAlt-Svc: http/1.1="127.0.0.2:{canary.port}"\r\nProxy: {there}\r\n'
    peer = await new_peer(f"{head}{more}Content-Length: 0\r\n\r\n".encode())
    one = deliverer(allowed=EVERYWHERE)

    for _ in range(3):
        await attempt(one, peer.url)

    assert canary.hits == []
    assert set(dialled) == {"127.0.0.1"}


# What a name server with bad intentions says, look-up by look-up; the rest of the way it goes on with the last.
GOOD, BAD = ["127.0.0.1"], ["127.0.0.2"]
PATTERNS: dict[str, list[Says]] = {
    "once": [Says(GOOD), Says(BAD)],
    "in turn": [Says(GOOD), Says(BAD)] * 50,
    "good, good, bad": [Says(GOOD), Says(GOOD), Says(BAD)] * 34,
    "both": [Says([*GOOD, *BAD])],
    "both, the other way": [Says([*BAD, *GOOD])],
    "both in turn with good": [Says(GOOD), Says([*GOOD, *BAD])] * 50,
    "by IPv6": [Says(GOOD), Says([*GOOD, "::1"])] * 50,
    "by IPv6 alone": [Says(GOOD), Says(["::1"])] * 50,
    "by an alias": [Says(GOOD), Says(BAD, aliases=["localhost"])] * 50,
    "among a hundred": [Says(GOOD), Says([*(f"127.0.0.{part}" for part in range(2, 99)), *GOOD], cut_by_udp=True)] * 50,
    "embedded": [Says(GOOD), Says(["::ffff:127.0.0.2"]), Says(["64:ff9b::7f00:2"])] * 34,
    "for a second": [Says(GOOD, ttl=1), Says(BAD, ttl=1)] * 50,
    "for long": [Says(GOOD, ttl=3_600), Says(BAD, ttl=3_600)],
    "nothing in between": [Says(GOOD), Says(), Says(BAD)] * 34,
    "failures in between": [Says(GOOD), Says(rcode="SERVFAIL"), Says(BAD)] * 34,
}


async def rebind(names: NameServer, one: Deliverer, port: int, attempts: int) -> list[Any]:
    """Deliver so often to a name that moves as each pattern says; returns the outcomes."""
    outcomes = []
    each = -(-attempts // len(PATTERNS))
    for number, turns in enumerate(PATTERNS.values()):
        done = 0
        while done < each:
            # After a hundred attempts the name begins anew; and a new name has no history.
            host = f"shop{number}-{done}.example"
            names.are(host, *turns)
            for _ in range(min(100, each - done)):
                outcomes.append(await attempt(one, f"http://{host}:{port}/hooks"))
                done += 1
    return outcomes


async def test_no_turn_of_a_rebinding_name_reaches_the_inside(
    names: NameServer, deliverer: Any, new_canary: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ombud.sender.resolver.NO_ANSWER_SECONDS", 0.0)
    allowed = await new_canary("127.0.0.1")
    canary = Canary()
    canary.port = allowed.port
    await canary.start("127.0.0.2", "::1")
    one = deliverer(allowed=(ip_network("127.0.0.1/32"),), guard=Guard((ip_network("127.0.0.1/32"),), ports=EVERY_PORT))

    outcomes = await rebind(names, one, allowed.port, REBINDINGS)

    canary.close()
    assert len(outcomes) >= REBINDINGS
    assert canary.hits == []
    # It was not for want of trying: good turns arrive, bad ones are refused for where they lead.
    done = sum(isinstance(outcome, Done) for outcome in outcomes)
    refused = sum("is at 127.0.0.2, a private" in str(getattr(outcome, "reason", "")) for outcome in outcomes)
    assert done > len(outcomes) / 10
    assert refused > len(outcomes) / 10


async def test_a_build_that_resolves_twice_is_caught(
    names: NameServer, deliverer: Any, new_canary: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Judge one answer and connect to the next, as a client does that is handed the name: the canary sings."""
    canary = await new_canary("127.0.0.2", "127.0.0.1")
    vet = Guard.vet

    async def twice(self: Guard, url: EndpointUrl) -> Vetted:
        await vet(self, url)
        found = await self._resolver.look_up(url.host)
        return Vetted(tuple(map(str, found.addresses)), 0.0)

    monkeypatch.setattr(Guard, "vet", twice)
    monkeypatch.setattr(Guard, "known", lambda *_: None)
    one = deliverer(allowed=(ip_network("127.0.0.1/32"),))

    await rebind(names, one, canary.port, 60)

    assert "127.0.0.2" in canary.hits


SAMPLE = [
    *(f"http://{text}/" for text in ADDRESSES),
    "http://[::1]/",
    "http://[::ffff:10.0.0.1]/",
    "http://8.8.8.8:22/",
]


@pytest.mark.parametrize("url", SAMPLE)
async def test_every_way_in_is_guarded_alike(new_running: Any, deliverer: Any, url: str, dialled: list[str]) -> None:
    """Create, edit, import from a program, and a row that was written by hand: the same rules for all of them."""
    running = new_running(allow_networks=(), retry_seconds=())
    good = await running.add("https://example.com/hooks")
    words = set()

    ways: list[Callable[[], Any]] = [
        lambda: running.sender.check_destination(url),
        lambda: running.add(url),
        lambda: running.change(good, url=url),
    ]
    for way in ways:
        with pytest.raises(InvalidInput) as caught:
            await way()
        words.add(str(caught.value))

    running.rows("select 1")
    await running.sender.writer.write(lambda: _smuggle(good.id, url))
    await running.sender.publish([Event("order.new", "1")])
    running.start()
    [row] = await running.settled()
    words.add(row["reason"].partition(" (attempt")[0])
    assert row["state"] == 2
    assert len(words) == 1
    assert dialled == []


def _smuggle(endpoint_id: int, url: str) -> Any:
    from ombud.db.operation import Statement

    text = "update endpoint set url = :url where id = :id"
    yield Statement(text, text), {"url": url, "id": endpoint_id}


@pytest.mark.parametrize("text", [*CREDENTIALS, *(f"[::ffff:{text}]" for text in CREDENTIALS), "[fd00:ec2::254]"])
async def test_trigger_may_go_anywhere_but_to_credentials(deliverer: Any, dialled: list[str], text: str) -> None:
    from ombud.cli.trigger import ANYWHERE
    from ombud.sender.verdict import DestinationRefused, Failure

    with pytest.raises(DestinationRefused) as caught:
        await deliverer(allowed=ANYWHERE).send(f"http://{text}/")
    assert caught.value.failure is Failure.ADDRESS_OF_CREDENTIALS
    assert dialled == []


async def test_trigger_reaches_this_machine_on_any_port(deliverer: Any, peer: Any) -> None:
    from ombud.cli.trigger import ANYWHERE

    assert (await deliverer(allowed=ANYWHERE).send(peer.url)).status == 200


async def test_open_and_closed_ports_of_the_inside_look_alike(deliverer: Any, new_canary: Any) -> None:
    """Nothing is connected to, so neither words nor time tell who is there."""
    canary = await new_canary("127.0.0.1")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        reasons = {
            (await attempt(strict(deliverer), f"http://127.0.0.1:{port}/")).reason
            for port in (canary.port, closed.getsockname()[1])
        }

    assert len(reasons) == 1
    assert canary.hits == []
