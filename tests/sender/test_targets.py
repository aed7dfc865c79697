"""Third parties are not flooded: whatever endpoints and shops lead to one place, it is sent few requests at once.

OMBUD_TEST_FLOOD chooses how many deliveries lead there; a campaign takes the limits that hold by default, times five.
"""

import asyncio
import os
from bisect import bisect_left
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

import pytest

from ombud.admin.explain import explain_event
from ombud.db.operation import Operation, Statement
from ombud.errors import Conflict
from ombud.mailbox.gate import OpenGate
from ombud.sender.endpoint import EndpointEdit
from ombud.sender.endpoints import TESTS_PER_MINUTE
from ombud.sender.guard import Guard
from ombud.sender.outbox import Event
from ombud.sender.sender import Sender
from ombud.sender.targets import NEW_ENDPOINT_SECONDS, Targets
from ombud.sender.waiting import Waiting, on_record
from ombud.settings import Settings
from tests.sender.conftest import LOOPBACK, Running
from tests.support.databases import Home
from tests.support.loopback import PATIENCE_SECONDS
from tests.support.name_server import NameServer

SHOPS, ENDPOINTS = 50, 10
# Events of each shop, for each of its endpoints.
EVENTS = max(1, int(os.environ.get("OMBUD_TEST_FLOOD", "500")) // (SHOPS * ENDPOINTS))
CONNECTIONS, PER_SECOND = (8, 250) if EVENTS == 1 else (64, 1_000)
# Without limits all names are asked for at once, and a busy machine hears some answers too late: they are tried again.
RETRY_SECONDS = (0.05, 1.0, 2.0, 4.0, 8.0)
# Seconds for the whole of it: at the limit, and as much again.
FLOOD_SECONDS = PATIENCE_SECONDS + 2 * SHOPS * ENDPOINTS * EVENTS / PER_SECOND


class Sink(asyncio.Protocol):
    """A third party: notes when requests come, and how many are open at once."""

    times: list[float]
    open = most = 0
    changed: asyncio.Event

    def __init__(self, status: int = 200) -> None:
        self._answer = f"HTTP/1.1 {status} Told\r\nContent-Length: 0\r\n\r\n".encode()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        loop, kind = asyncio.get_running_loop(), type(self)
        assert data.endswith(b"\r\n\r\n")
        kind.times.append(loop.time())
        kind.open += 1
        kind.most = max(kind.most, kind.open)
        loop.call_later(0.005, self._respond)

    def _respond(self) -> None:
        kind = type(self)
        kind.open -= 1
        self._transport.write(self._answer)
        kind.changed.set()


@pytest.fixture
async def new_sink() -> AsyncIterator[Callable[..., Any]]:
    """Start third parties: returns the class that counts, and its port."""
    servers = []

    async def make(host: str = "127.0.0.1", status: int = 200) -> tuple[type[Sink], int]:
        kind = type("OneSink", (Sink,), {"times": [], "changed": asyncio.Event()})
        servers.append(await asyncio.get_running_loop().create_server(lambda: kind(status), host, 0))
        return kind, servers[-1].sockets[0].getsockname()[1]

    yield make
    for server in servers:
        server.close()
    await asyncio.sleep(0)


async def wait_for(sink: type[Sink], requests: int) -> None:
    async with asyncio.timeout(FLOOD_SECONDS):
        while len(sink.times) < requests or sink.open:
            sink.changed.clear()
            await sink.changed.wait()


def most_in_a_second(times: list[float]) -> int:
    """Return how many came in the fullest second, wherever it begins."""
    return max(bisect_left(times, time + 1.0) - place for place, time in enumerate(times))


@pytest.fixture
def limited(home: Home, names: NameServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Running]]:
    """A sender whose limits hold on loopback too, on each database."""
    made: list[Running] = []
    monkeypatch.setattr("ombud.sender.sender.WAITING_SECONDS", 0.2)

    def make(*, gate: bool = True) -> Running:
        settings = Settings(allow_networks=LOOPBACK, retry_seconds=RETRY_SECONDS, endpoints_per_shop=ENDPOINTS)
        sender = Sender(home.open(), settings)
        sender.targets = Targets(sender.deliverer.guard, CONNECTIONS, PER_SECOND)
        sender.outbox.mailbox.gate = sender.targets if gate else OpenGate()
        sender.deliverer.targets = sender.targets if gate else None
        made.append(Running(sender))
        return made[-1]

    yield make
    for one in made:
        one.sender.close()


def to(host: str, endpoint_id: int = 1) -> dict[str, Any]:
    """Return the facts of an endpoint."""
    return {"url": f"http://{host}/", "endpoint_id": endpoint_id}


def flood(running: Running, names: NameServer, port: int, neighbour: int) -> None:
    """Give each shop endpoints that lead to one address, half of them by names of their own; and a neighbour one."""
    endpoints = running.sender.endpoints

    def add_all() -> Operation[None]:
        for shop_id in range(1, SHOPS + 1):
            for number in range(ENDPOINTS):
                host = f"s{shop_id}-{number}.example" if number % 2 else "127.0.0.1"
                names.are(host, ["127.0.0.1"])
                yield from endpoints.add(EndpointEdit(f"http://{host}:{port}/{shop_id}/{number}"), shop_id)
        yield from endpoints.add(EndpointEdit(f"http://127.0.0.2:{neighbour}/"), SHOPS + 1)

    running.sender.database.write(add_all)


def reasons(running: Running, event_id: int) -> set[str]:
    """Return why an event waits, as another process explains it."""
    sender = running.sender
    document = sender.database.read(lambda: explain_event(event_id, sender.database.clock(), sender.vault))
    return {one["why"].partition(": ")[2] for one in document["data"] if one["verdict"] == "limit"}


async def run_flood(running: Running, names: NameServer, new_sink: Any) -> tuple[type[Sink], type[Sink], set[str]]:
    (sink, port), (beside, neighbour) = await new_sink(), await new_sink("127.0.0.2")
    await asyncio.to_thread(flood, running, names, port, neighbour)
    for number in range(EVENTS):
        new = [Event("order.new", str(number), shop_id) for shop_id in range(1, SHOPS + 1)]
        published = await running.sender.publish(new)
    running.start()
    await wait_for(sink, 20)
    await running.sender.publish([Event("order.new", str(number), SHOPS + 1) for number in range(5)])
    said: set[str] = set()
    # Whose name was not known when the flood began comes a second later, and stands in line from then on.
    for requests in range(150, SHOPS * ENDPOINTS * EVENTS, 100):
        await wait_for(sink, requests)
        said |= set().union(*(reasons(running, one.event_id) for one in published))
    await wait_for(sink, SHOPS * ENDPOINTS * EVENTS)
    await wait_for(beside, 5)
    await running.stop()
    return sink, beside, said


@pytest.mark.timeout(60 + FLOOD_SECONDS)
async def test_one_address_is_sent_no_more_than_its_limit(
    limited: Callable[..., Running], names: NameServer, new_sink: Any
) -> None:
    running = limited()
    sink, beside, said = await run_flood(running, names, new_sink)

    states = running.rows("select state, attempts, count(*) as number from delivery group by state, attempts")
    assert states == [{"state": 1, "attempts": 1, "number": SHOPS * ENDPOINTS * EVENTS + 5}]
    assert len(sink.times) == SHOPS * ENDPOINTS * EVENTS
    assert most_in_a_second(sink.times) <= PER_SECOND
    assert sink.most <= CONNECTIONS
    assert beside.times[-1] < sink.times[-1], "nobody else waits in that line"
    print(f"{len(sink.times)} requests, {most_in_a_second(sink.times)} in the fullest second, {sink.most} at once")
    limits = f"at most {CONNECTIONS} requests are under way at once and {PER_SECOND} start in a second"
    settings = "(OMBUD_TARGET_CONNECTIONS, OMBUD_TARGET_PER_SECOND)"
    assert f"to address 127.0.0.1 {limits}, whatever endpoints lead there {settings}." in said


@pytest.mark.timeout(60 + FLOOD_SECONDS)
@pytest.mark.parametrize("home", ["sqlite"], indirect=True)
async def test_a_build_without_limits_is_caught(
    limited: Callable[..., Running], names: NameServer, new_sink: Any
) -> None:
    sink, _, said = await run_flood(limited(gate=False), names, new_sink)

    assert sink.most > CONNECTIONS or most_in_a_second(sink.times) > PER_SECOND
    assert not said


@pytest.mark.parametrize("home", ["sqlite"], indirect=True)
async def test_what_never_acknowledges_hears_one_request_a_second(
    limited: Callable[..., Running], names: NameServer, new_sink: Any
) -> None:
    running, (victim, port) = limited(), await new_sink(status=404)
    await running.add(f"http://127.0.0.1:{port}/")
    *_, last = await running.sender.publish([Event("order.new", str(number)) for number in range(30)])
    running.start()
    await wait_for(victim, 3)
    assert reasons(running, last.event_id) == {
        "until the endpoint has answered 2xx, it is sent one request a second, one at once."
    }
    await running.stop()
    assert not reasons(running, last.event_id), "nobody performs it now"

    assert victim.most == 1
    apart = [later - time for time, later in zip(victim.times, victim.times[1:], strict=False)]
    assert all(pause > NEW_ENDPOINT_SECONDS * 0.95 for pause in apart), apart


async def test_what_the_operator_allows_is_not_counted() -> None:
    guard = Guard(LOOPBACK)
    targets = Targets(guard, 1, 1, LOOPBACK)
    for url in ("http://127.0.0.1/", "http://[::1]:9/x"):
        facts = {"url": url, "endpoint_id": 1}
        assert all(targets.enter(facts) is not None for _ in range(5))
    counted = {"url": "http://8.8.8.8/", "endpoint_id": 1}
    entered = targets.enter(counted)
    assert entered is not None
    assert targets.enter(counted) is None
    other_port = {"url": "http://8.8.8.8:8080/other", "endpoint_id": 2}
    assert targets.enter(other_port) is None, "of the same host"
    assert targets.enter({"url": "http://8.8.4.4/", "endpoint_id": 2}) is not None
    assert targets.enter({"url": "no url", "endpoint_id": 3}) is not None
    targets.leave(entered)
    guard.close()


async def test_an_endpoint_that_leads_elsewhere_is_new_again() -> None:
    targets = Targets(Guard(), CONNECTIONS, PER_SECOND)
    own, victim = to("8.8.8.8"), to("8.8.4.4")
    targets.acknowledged(1, own["url"])
    for facts, more in ((own, True), (victim, False), (own, True)):
        targets.enter(facts)
        assert (targets.enter(facts) is not None) is more


async def test_who_asks_again_keeps_its_turn() -> None:
    """A lane does when it was read anew, which is every few seconds."""
    targets, went = Targets(Guard(), 1, PER_SECOND), list[int]()
    facts = to("8.8.8.8")
    targets.acknowledged(1, facts["url"])
    entered = targets.enter(facts)
    for lane_id in (1, 2, 3, 2, 1):
        targets.wait(lane_id, facts, partial(went.append, lane_id))
    targets.forget(2)
    for _ in range(2):
        targets.leave(entered)
        entered = targets.enter(facts)
    assert went == [1, 3]


@pytest.mark.parametrize("home", ["sqlite"], indirect=True)
async def test_waits_that_last_are_on_record_until_they_end(
    limited: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ombud.sender.waiting.MOST", 2)
    sender = limited().sender
    made = [await sender.writer.write(lambda: sender.endpoints.add(EndpointEdit("http://8.8.8.8/"))) for _ in "123"]
    lanes = [endpoint.lane_id for endpoint in made]
    targets, waiting, full = sender.targets, Waiting(sender.database), to("8.8.8.8", 9)
    targets.enter(full)

    async def look() -> list[int]:
        await waiting.look(targets, sender.writer)
        found: dict[int, str] = sender.database.read(on_record)
        return [lanes.index(lane_id) for lane_id in sorted(found)]

    def lease(token: int) -> None:
        def write() -> Operation[None]:
            yield Statement("lease", "update lane set lease_token = :token"), {"token": token}

        sender.database.write(write)

    for lane_id in lanes:
        targets.wait(lane_id, full, lambda: None)
    assert [await look() for _ in range(2)] == [[], []], "nobody's lease is stored"
    lease(7)
    assert await look() == [0, 1], "as many as are kept on record"
    lease(8)
    assert sender.database.read(on_record) == {}
    assert await look() == [0, 1]
    targets.forget(lanes[0])
    assert await look() == [0, 1], "a try may be under way"
    assert await look() == [1]
    assert await look() == [1, 2]


async def test_places_at_rest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ombud.sender.targets.PLACES", 10)
    targets = Targets(Guard(), 1, PER_SECOND)
    busy = to("8.8.8.8", 0)
    targets.acknowledged(0, busy["url"])
    targets.enter(busy)
    for number in range(1, 200):
        assert not targets._full(targets._of(to(f"8.8.4.{number}", number)))
        assert len(targets._places) <= 10
    assert targets.enter(busy) is None, "what is under way is counted still"


def test_no_endpoint_is_sent_more_than_five_tests_a_minute(limited: Callable[..., Running]) -> None:
    sender = limited().sender

    def test(endpoint_id: int) -> int:
        return sender.database.write(lambda: sender.endpoints.test(endpoint_id))

    def add() -> int:
        edit = EndpointEdit("https://hooks.example/", ["order.new"])
        return sender.database.write(lambda: sender.endpoints.add(edit)).id

    one, other = add(), add()
    for _ in range(TESTS_PER_MINUTE):
        test(one)
    with pytest.raises(Conflict, match="5 tests within a minute"):
        test(one)
    test(other)
