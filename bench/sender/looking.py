"""What open live pages cost deliveries: the same load with two hundred streams open and without, in turn."""

import json
import select
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.load import Publisher, Round
from bench.machine import cores, describe
from bench.servers import PATIENCE_SECONDS, ROOT, Server, Servers, on_core
from ombud.admin.access import EVERY_SHOP, Role
from ombud.db.sqlite import SqliteDatabase
from tests.support.people import log_in

STREAMS = 200
# Shops with an endpoint each.
SHOPS = list(range(1, 201))
# What an operator may have open; and what somebody of a shop has.
OPERATORS = ("/panel/stream", "/overview/stream?period=1h", "/overview/stream?period=24h", "/deliveries/stream")
MERCHANTS = "/overview/stream?period=1h"
WARM_SECONDS = 2
# The goal: of the deliveries without streams, so many remain.
LEAST_LEFT = 0.95

# Paths, each with its cookie.
Streams = Sequence[tuple[str, str]]


def measure_looking(rounds: int, seconds: int, directory: Path | None) -> tuple[str, bool]:
    """Return the table, and whether each kind of looking leaves deliveries what the goal says."""
    found: dict[str, list[tuple[Round, Round]]] = {}
    with tempfile.TemporaryDirectory(prefix="ombud-bench-", dir=directory) as made:
        folder = Path(made)
        with Servers(folder, cores()) as servers:
            target, sender = servers.nginx("target", target=True), servers.sender()
            publisher = Publisher(sender, servers.new_key(), folder / "sender.db", target)
            publisher.add_endpoints(SHOPS)
            kinds = _kinds(folder / "sender.db")
            publisher.run(WARM_SECONDS, SHOPS)
            for number in range(rounds):
                for name, streams in kinds.items():
                    # Who comes first changes: what drifts while it runs falls on both.
                    first = _round(publisher, sender, streams if number % 2 else (), seconds)
                    second = _round(publisher, sender, () if number % 2 else streams, seconds)
                    found.setdefault(name, []).append((second, first) if number % 2 else (first, second))
        return _table(found, describe(folder)), all(_left(pairs) >= LEAST_LEFT for pairs in found.values())


def _kinds(path: Path) -> Mapping[str, Streams]:
    """Return who looks: an operator's pages, each seen by many; and one page of each of as many shops."""
    database = SqliteDatabase(path)
    writer = database.open_writer()
    try:
        operator = _cookie(log_in(writer, Role.OWNER, EVERY_SHOP))
        everybody = [(OPERATORS[number % len(OPERATORS)], operator) for number in range(STREAMS)]
        apart = [(MERCHANTS, _cookie(log_in(writer, Role.READER, shop_id))) for shop_id in SHOPS[:STREAMS]]
        return {f"{len(OPERATORS)} pages of operators": everybody, "a page of each of 200 shops": apart}
    finally:
        writer.close()
        database.close()


def _cookie(cookies: Mapping[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


def _round(publisher: Publisher, server: Server, streams: Streams, seconds: int) -> Round:
    with looking(server, streams):
        return publisher.run(seconds, SHOPS)


@contextmanager
def looking(server: Server, streams: Streams) -> Iterator[None]:
    """Have all these streams open and shown something, in a process beside the generator."""
    command = [*on_core(cores().generator), sys.executable, "-m", "bench.sender.readers"]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - ours
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps({"port": server.port, "streams": streams}).encode() + b"\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], PATIENCE_SECONDS)
        if not ready or json.loads(process.stdout.readline()) != {"ready": len(streams)}:
            raise RuntimeError("the streams do not open")
        yield
    finally:
        process.kill()
        process.communicate()


def _left(pairs: Sequence[tuple[Round, Round]]) -> float:
    return statistics.median(_ratios(pairs))


def _ratios(pairs: Sequence[tuple[Round, Round]]) -> list[float]:
    return [with_.per_second / without.per_second for without, with_ in pairs]


def _table(found: Mapping[str, Sequence[tuple[Round, Round]]], machine: Mapping[str, object]) -> str:
    lines = ["| 200 streams | pairs | deliveries/s without, with | left | min-max | left for a second of processor |"]
    lines.append("|---|---|---|---|---|---|")
    for name, pairs in found.items():
        rates = ", ".join(f"{statistics.median(pair[place].per_second for pair in pairs):,.0f}" for place in (0, 1))
        ratios = _ratios(pairs)
        core = statistics.median(with_.per_core_second / without.per_core_second for without, with_ in pairs)
        spread = f"{min(ratios):.3f}-{max(ratios):.3f}"
        lines.append(f"| {name} | {len(pairs)} | {rates} | {_left(pairs):.3f} | {spread} | {core:.3f} |")
    return "\n".join([*lines, ", ".join(f"{name} {value}" for name, value in machine.items()), ""])
