"""The sender's speed beside nginx under wrk, in the same rounds: deliveries, and taking events in."""

import http.client
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

from bench.load import Generator, Publisher, Round
from bench.machine import Cores, cores, describe
from bench.postgres import lent_database
from bench.report import text
from bench.servers import HOST, Server, Servers

Visits: TypeAlias = Mapping[str, Callable[[int], Round]]

# Shops with one endpoint each, for every kind of target; and one with ten.
THOUSAND, SECURE, FRESH = (list(range(first, first + 1_000)) for first in (1, 10_001, 20_001))
TEN_SHOP, TEN = 2_000, 10
# Events of one request, and publishers that send one after another at the same time.
ARRAY = 1_000
PUBLISHERS = 8
WARM_SECONDS = 1
# An endpoint that ends every connection with its answer.
ONCE = "keepalive_timeout 0;"
NGINX, BESIDE = "nginx, 64 connections", "nginx beside PostgreSQL"
POSTGRES = "sender on PostgreSQL, 1,000 endpoints"
YARDSTICKS = {
    "sender, 1,000 endpoints": (NGINX,),
    "sender, 10 endpoints each": (NGINX,),
    "sender, 1,000 endpoints, TLS": (NGINX,),
    "sender, 1,000 endpoints, each time a new connection": (NGINX,),
    "array intake": (NGINX,),
    POSTGRES: (BESIDE,),
}


def measure_speed(rounds: int, seconds: int, directory: Path | None) -> str:
    """Visit each in turn, round by round; returns the tables."""
    measured: dict[str, list[Round]] = {}
    with tempfile.TemporaryDirectory(prefix="ombud-bench-", dir=directory) as made:
        folders = [Path(made, name) for name in ("deliveries", "intake", "postgres")]
        for folder in folders:
            folder.mkdir()
        for measure, folder in zip((_deliveries, _intake, _on_postgres), folders, strict=True):
            measured |= measure(folder, rounds, seconds)
        return text(describe(Path(made)), measured, YARDSTICKS) + "\n"


def _deliveries(folder: Path, rounds: int, seconds: int) -> dict[str, list[Round]]:
    core = cores().generator
    with Servers(folder, cores()) as servers:
        nginx, target, sender = servers.nginx("nginx"), servers.nginx("target", target=True), servers.sender()
        secure, fresh = servers.secure_nginx("secure"), servers.nginx("fresh", target=True, more=ONCE)
        key, database = servers.new_key(), folder / "sender.db"
        plain, tls, once = (Publisher(sender, key, database, one) for one in (target, secure, fresh))
        plain.add_endpoints([*THOUSAND, *[TEN_SHOP] * TEN])
        tls.add_endpoints(SECURE)
        once.add_endpoints(FRESH)
        visits = {
            NGINX: lambda span: Generator(span, core).run(nginx, 64)[0],
            "sender, 1,000 endpoints": lambda span: plain.run(span, THOUSAND),
            "sender, 10 endpoints each": lambda span: plain.run(span, [TEN_SHOP], TEN),
            "sender, 1,000 endpoints, TLS": lambda span: tls.run(span, SECURE),
            "sender, 1,000 endpoints, each time a new connection": lambda span: once.run(span, FRESH),
        }
        return _in_turn(visits, rounds, seconds)


def _on_postgres(folder: Path, rounds: int, seconds: int) -> dict[str, list[Round]]:
    """Sender, server, endpoints and publisher share all cores."""
    with lent_database() as url, Servers(folder, Cores(None, None)) as servers:
        nginx, target = servers.nginx("nginx"), servers.nginx("target", target=True)
        publisher = Publisher(servers.sender({"OMBUD_DATABASE_URL": url}), servers.new_key(url), url, target)
        publisher.add_endpoints(THOUSAND)
        visits = {
            BESIDE: lambda span: Generator(span, None).run(nginx, 64)[0],
            POSTGRES: lambda span: publisher.run(span, THOUSAND),
        }
        return _in_turn(visits, rounds, seconds)


def _intake(folder: Path, rounds: int, seconds: int) -> dict[str, list[Round]]:
    with Servers(folder, cores()) as servers:
        idle, key = servers.sender({"OMBUD_PERFORM": "elsewhere"}), servers.new_key()
        Publisher(idle, key, folder / "sender.db", idle).add_endpoints(THOUSAND)
        return _in_turn({"array intake": lambda span: take_in(idle, key, span)}, rounds, seconds)


def _in_turn(visits: Visits, rounds: int, seconds: int) -> dict[str, list[Round]]:
    for visit in visits.values():
        visit(WARM_SECONDS)
    taken = [{name: visit(seconds) for name, visit in visits.items()} for _ in range(rounds)]
    return {name: [one[name] for one in taken] for name in visits}


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
