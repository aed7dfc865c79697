"""The sender's speed beside nginx under wrk, in the same rounds: deliveries, and taking events in."""

import http.client
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from bench.load import Generator, Publisher, Round
from bench.machine import cores, describe
from bench.report import text
from bench.servers import HOST, Server, Servers

# Shops with one endpoint each; and one with ten.
THOUSAND = list(range(1, 1_001))
TEN_SHOP, TEN = 2_000, 10
# Events of one request, and publishers that send one after another at the same time.
ARRAY = 1_000
PUBLISHERS = 4
WARM_SECONDS = 1
NGINX = "nginx, 64 connections"
YARDSTICKS = dict.fromkeys(("sender, 1,000 endpoints", "sender, 10 endpoints each", "array intake"), (NGINX,))


def measure_speed(rounds: int, seconds: int, directory: Path | None) -> str:
    """Visit each in turn, round by round; returns the tables."""
    measured: dict[str, list[Round]] = {}
    core = cores().generator
    with tempfile.TemporaryDirectory(prefix="ombud-bench-", dir=directory) as made:
        folder = Path(made)
        with Servers(folder, cores()) as servers:
            nginx, target, sender = servers.nginx("nginx"), servers.nginx("target", target=True), servers.sender()
            key = servers.new_key()
            publisher = Publisher(sender, key, folder / "sender.db", target)
            publisher.add_endpoints([*THOUSAND, *[TEN_SHOP] * TEN])
            visits: dict[str, Callable[[int], Round]] = {
                NGINX: lambda span: Generator(span, core).run(nginx, 64)[0],
                "sender, 1,000 endpoints": lambda span: publisher.run(span, THOUSAND),
                "sender, 10 endpoints each": lambda span: publisher.run(span, [TEN_SHOP], TEN),
            }
            for visit in visits.values():
                visit(WARM_SECONDS)
            for _ in range(rounds):
                for name, visit in visits.items():
                    measured.setdefault(name, []).append(visit(seconds))
        with tempfile.TemporaryDirectory(dir=folder) as other, Servers(Path(other), cores()) as servers:
            idle = servers.sender({"OMBUD_PERFORM": "elsewhere"})
            key = servers.new_key()
            Publisher(idle, key, Path(other) / "sender.db", idle).add_endpoints(THOUSAND)
            take_in(idle, key, WARM_SECONDS)
            measured["array intake"] = [take_in(idle, key, seconds) for _ in range(rounds)]
        return text(describe(folder), measured, YARDSTICKS) + "\n"


def take_in(server: Server, key: str, seconds: float) -> Round:
    """Post arrays for so long, each event for one endpoint; returns events a second that were stored durably."""
    bodies = [json.dumps(_array(start)) for start in range(0, 20 * ARRAY, ARRAY)]
    before, began = server.processor_seconds(), time.monotonic()
    with ThreadPoolExecutor(PUBLISHERS) as publishers:
        posting = [publishers.submit(_post_until, began + seconds, server, key, bodies) for _ in range(PUBLISHERS)]
        stored = sum(one.result() for one in posting)
    elapsed = time.monotonic() - began
    return Round(stored / elapsed, (server.processor_seconds() - before) / elapsed)


def _post_until(end: float, server: Server, key: str, bodies: Sequence[str]) -> int:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    stored = 0
    with closing(http.client.HTTPConnection(HOST, server.port, timeout=30)) as connection:
        while time.monotonic() < end:
            connection.request("POST", "/v1/events", bodies[stored // ARRAY % len(bodies)], headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status != http.HTTPStatus.CREATED:
                raise RuntimeError(f"POST /v1/events: {answer.status}")
            stored += ARRAY
    return stored


def _array(start: int) -> Sequence[object]:
    return [
        {"event_type": "order.new", "order_id": number, "shop_id": THOUSAND[number % len(THOUSAND)]}
        for number in range(start, start + ARRAY)
    ]
