"""Rounds: one server under load for some seconds, and afterwards a look at whether it did what it answered."""

import asyncio
import http.client
import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import apsw
import asyncpg

from bench.machine import program
from bench.servers import HOST, Server, on_core

SCRIPT = Path(__file__).parent / "wrk.lua"
# Seconds that stored rows may take to stop growing, and deliveries to end, once the load has ended.
SETTLE_SECONDS = 30.0
# Events in one request, and deliveries that may wait while more are published: enough that the sender never rests.
BATCH = 500
BACKLOG = 2_000


class Cheated(Exception):
    """What was stored or delivered is not what was answered."""


@dataclass(frozen=True)
class Round:
    """What one round has shown. `processor`: of one core, how much the server used."""

    per_second: float
    processor: float
    p50_milliseconds: float | None = None
    p99_milliseconds: float | None = None

    @property
    def per_core_second(self) -> float:
        """What a second of processor time yields: it says more than the rate where others use the machine as well."""
        return self.per_second / self.processor if self.processor else 0.0


@dataclass(frozen=True)
class Generator:
    """wrk, on a core of its own."""

    seconds: int
    core: int | None

    def run(self, server: Server, connections: int, traffic: str = "orders") -> tuple[Round, int]:
        """Ask on that many connections, about `orders` or `products`; returns the round and the answers of 200."""
        command = [program("wrk"), "--threads", "1", "--connections", str(connections), "--latency"]
        command += ["--duration", f"{self.seconds}s", "--script", str(SCRIPT), server.base, server.path, traffic]
        before = server.processor_seconds()
        done = subprocess.run([*on_core(self.core), *command], capture_output=True, text=True, check=True)  # noqa: S603 - ours
        found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
        spent = server.processor_seconds() - before
        if found["refused"] or found["broken"]:
            raise Cheated(f"{server.base}: {found['refused']} answers were errors, {found['broken']} never came.")
        seconds = found["microseconds"] / 1e6
        milliseconds = found["p50"] / 1000, found["p99"] / 1000
        return Round(found["requests"] / seconds, spent / seconds, *milliseconds), found["requests"]


def acknowledge(
    generator: Generator, server: Server, connections: int, database: Path, traffic: str = "orders"
) -> Round:
    """Measure durable acknowledgements; every 200 must be a row, and no row may be more than one that was asked for."""
    before = _settled(database)
    shown, answered = generator.run(server, connections, traffic)
    stored = _settled(database) - before
    # wrk leaves when its time is up, with a request under way on each connection: stored, but no longer counted.
    if not answered <= stored <= answered + connections:
        raise Cheated(f"{answered} were answered 200, and {stored} are stored.")
    return shown


class Publisher:
    """Publishes to a sender in arrays and sees that everything is delivered, once, and recorded."""

    def __init__(self, server: Server, key: str, database: Path | str, target: Server) -> None:
        """`database`: the sender's file, or the URL of its database on PostgreSQL."""
        self._server = server
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._connection = http.client.HTTPConnection(HOST, server.port, timeout=SETTLE_SECONDS)
        self._database = database
        self._target = target
        self._numbers = count(1)
        self._questions = count(1)

    def add_endpoints(self, shop_ids: Sequence[int]) -> None:
        """Have each of these shops deliver to the target."""
        for shop_id in shop_ids:
            endpoint = {
                "url": f"{self._target.base}/{shop_id}",
                "shop_id": shop_id,
                "authority": self._target.authority,
            }
            self._post("/v1/endpoints", endpoint)

    def run(self, seconds: int, shop_ids: Sequence[int], fan_out: int = 1) -> Round:
        """Publish for so long, always ahead of the deliveries, and measure until the last one is recorded.

        Each of these shops has `fan_out` endpoints; what is returned are deliveries.
        """
        self._connection.close()  # the server has closed it meanwhile; the next request opens another
        before, processor, began = self._state(), self._server.processor_seconds(), time.monotonic()
        published = 0
        with reading(self._database) as ask:
            while time.monotonic() < began + seconds:
                if ask("select count(*) from delivery where state = 0") < BACKLOG:
                    self._post("/v1/events", [self._event(shop_ids) for _ in range(BATCH // fan_out)])
                    published += BATCH // fan_out
                else:
                    time.sleep(0.02)
            _until(lambda: ask("select count(*) from delivery where state = 0") == 0)
        elapsed, spent = time.monotonic() - began, self._server.processor_seconds() - processor
        changed = {name: value - before[name] for name, value in self._state().items()}
        events, delivered = changed.pop("events"), published * fan_out
        if events != published or set(changed.values()) != {delivered}:
            raise Cheated(f"{published} events were accepted; since then: {events} events, {changed}.")
        return Round(delivered / elapsed, spent / elapsed)

    def _event(self, shop_ids: Sequence[int]) -> dict[str, Any]:
        number = next(self._numbers)
        return {"event_type": "order.new", "order_id": number, "shop_id": shop_ids[number % len(shop_ids)]}

    def _post(self, path: str, body: Any) -> None:
        while True:
            self._connection.request("POST", path, json.dumps(body), self._headers)
            answer = self._connection.getresponse()
            text = answer.read()
            if answer.status != http.HTTPStatus.TOO_MANY_REQUESTS:
                break
            time.sleep(float(answer.headers["Retry-After"]))
        if answer.status != http.HTTPStatus.CREATED:
            raise Cheated(f"POST {path}: {answer.status} {text[:200]!r}")

    def _state(self) -> Mapping[str, int]:
        """Return what must grow by one for each event: rows that say it is done, and requests that the target saw."""
        with reading(self._database) as ask:
            return {
                "events": ask("select count(*) from event"),
                "done": ask("select count(*) from delivery where state = 1 and attempts = 1"),
                "attempts": ask("select count(*) from attempt where outcome = 'done' and status = 200"),
                "requests": self._requests(),
            }

    def _requests(self) -> int:
        """Return how many requests the target has answered; it counts this one, and those before, as well."""
        connection = http.client.HTTPConnection(HOST, self._target.port, timeout=SETTLE_SECONDS)
        connection.request("GET", "/status")
        lines = connection.getresponse().read().decode().splitlines()
        connection.close()
        return int(lines[2].split()[2]) - next(self._questions)


def _settled(database: Path) -> int:
    """Return the number of events once it no longer grows."""
    with reading(database) as ask:
        seen = [-1, ask("select count(*) from event")]

        def still() -> bool:
            time.sleep(0.05)
            seen[:] = seen[1], ask("select count(*) from event")
            return seen[0] == seen[1]

        _until(still)
        return seen[1]


@contextmanager
def reading(database: Path | str) -> Iterator[Callable[[str], int]]:
    """Ask for numbers of a database (a file, or a URL of PostgreSQL), beside its owner."""
    if isinstance(database, str):
        with asyncio.Runner() as runner:
            session = runner.run(asyncpg.connect(database, server_settings={"search_path": "ombud"}))
            yield lambda question: int(runner.run(session.fetchval(question)))
            runner.run(session.close())
        return
    connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        yield lambda question: int(str(connection.execute(question).fetchall()[0][0]))
    finally:
        connection.close()


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SETTLE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise Cheated(f"There is still work left {SETTLE_SECONDS:g} seconds after the load has ended.")
        time.sleep(0.002)
