"""`python -m bench.receiver.flood`: what a flood of one webhook costs the webhooks of others.

Real orders of one shop, each its own and open loop (a wait counts from when a request was due), to the inbox under
uvicorn, with `ombud work` beside it; with a flood about one order of another shop, made by wrk, and without, in turn.
All have the two cores together, but wrk, which keeps to one. Counted is the time until a real order is answered, and
until its handler runs; of the flood no more may be stored than OMBUD_ALIKE_PER_MINUTE.
"""

import argparse
import asyncio
import json
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import uvloop

from bench.load import Cheated, reading
from bench.machine import Cores, cores, program
from bench.receiver.__main__ import UVICORN
from bench.receiver.hearing import HEARS
from bench.receiver.open_loop import Answers, OpenLoop
from bench.servers import HOST, Server, Servers, on_core

SCRIPT = Path(__file__).parent / "flood.lua"
# Milliseconds for which a connection of the flood rests, and seconds from one of its questions to the next.
REST, PERIOD_SECONDS = 10, 0.012
# Of one thing, the default of OMBUD_ALIKE_PER_MINUTE; a run may see two minutes.
ALIKE, MINUTES = 600, 2
# Seconds that are not counted: what is taken of the flood is taken in the first of them.
WARM_SECONDS = 2
PATIENCE_SECONDS = 30.0
FLOODED = "order/5000000"
GOAL = 1.1


@dataclass(frozen=True)
class Shown:
    """What a run has shown. `flood`: how many a second came, and how many were stored."""

    answered: Answers
    handled: Answers
    flood: tuple[float, int] = (0.0, 0)


class Handled(asyncio.DatagramProtocol):
    """Hears of handlers that run."""

    def __init__(self, due: dict[int, float]) -> None:
        """`due`: when each order was to be sent."""
        self._due = due
        self._seconds: dict[int, float] = {}
        self._total: int | None = None
        self._all = asyncio.Event()

    async def times(self) -> Answers:
        """Return how long each order took, once all that were due have been heard of."""
        self._total = len(self._due)
        if len(self._seconds) < self._total:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._all.wait()
        return Answers(list(self._seconds.values()))

    def datagram_received(self, data: bytes, _: Any) -> None:
        """Note when the first run of an order began."""
        now, number = time.perf_counter(), int(data)
        if number in self._due:
            self._seconds.setdefault(number, now - self._due[number])
        if len(self._seconds) == self._total:
            self._all.set()


def main() -> int:
    """Measure and print; returns 1 when something was not answered, not handled, or stored beyond the bound."""
    options = _options()
    pairs: list[tuple[Shown, Shown]] = []
    for number in range(options.rounds):
        order = (False, True) if number % 2 == 0 else (True, False)
        try:
            runs = {flooded: _run(options, flooded=flooded) for flooded in order}
        except (Cheated, TimeoutError) as error:
            sys.stderr.write(f"bench.receiver.flood: {error}\n")
            return 1
        pairs.append((runs[False], runs[True]))
    sys.stdout.write("\n".join(_report(pairs)) + "\n")
    return 0


def _run(options: argparse.Namespace, *, flooded: bool) -> Shown:
    with (
        tempfile.TemporaryDirectory(prefix="ombud-bench-", dir=options.directory) as folder,
        Servers(Path(folder), Cores(None, None)) as servers,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return runner.run(_visit(servers, options, options.flood if flooded else 0))


async def _visit(servers: Servers, options: argparse.Namespace, flood: int) -> Shown:
    loop = asyncio.get_running_loop()
    due: dict[int, float] = {}
    transport, handled = await loop.create_datagram_endpoint(lambda: Handled(due), (HOST, 0))
    port = transport.get_extra_info("sockname")[1]
    settings = {"OMBUD_ALIKE_PER_MINUTE": str(ALIKE), "OMBUD_CONFIRM": "none", HEARS: str(port)}
    server = servers.web("uvicorn", [part.replace("{app}", "asgi") for part in UVICORN], settings)
    other = servers.add_shop(server, "flooded")
    servers.work(server, "bench.receiver.hearing:inbox", settings)
    await OpenLoop(server.port, server.path, options.per_second).run(WARM_SECONDS)
    seconds = WARM_SECONDS + options.seconds
    wrk = await _begin_flood(server, other, flood, seconds) if flood else None
    numbers = count(1_000_000)
    await OpenLoop(server.port, server.path, options.per_second, numbers).run(WARM_SECONDS)
    counted = OpenLoop(server.port, server.path, options.per_second, numbers, due)
    os.setpriority(os.PRIO_PROCESS, 0, -5)  # a generator that waits for a core itself would measure its own wait
    answered = await counted.run(options.seconds)
    os.setpriority(os.PRIO_PROCESS, 0, 0)
    if set(answered.statuses) != {200}:
        raise Cheated(f"The answers to the real ones were {answered.statuses}.")
    times = await handled.times()
    transport.close()
    return Shown(answered, times, await _end_flood(server, wrk) if wrk else (0.0, 0))


async def _begin_flood(server: Server, path: str, per_second: int, seconds: int) -> asyncio.subprocess.Process:
    connections = math.ceil(per_second * PERIOD_SECONDS)
    command = [program("wrk"), "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"]
    question = f"{path}?event_type=order.new&order_id={FLOODED.partition('/')[2]}"
    command += ["--script", str(SCRIPT), server.base, question, str(REST)]
    return await asyncio.create_subprocess_exec(*on_core(cores().generator), *command, stdout=asyncio.subprocess.PIPE)


async def _end_flood(server: Server, wrk: asyncio.subprocess.Process) -> tuple[float, int]:
    said, _ = await wrk.communicate()
    found = json.loads(said.splitlines()[-1])
    assert server.database is not None
    with reading(server.database) as ask:
        stored = ask(f"select count(*) from event where box = 2 and subject = '{FLOODED}'")  # noqa: S608 - ours
    if found["broken"] or stored > ALIKE * MINUTES or server.process.poll() is not None:
        raise Cheated(f"Of the flood {found['broken']} were never answered, and {stored} are stored.")
    return found["requests"] / (found["microseconds"] / 1e6), stored


def _report(pairs: Sequence[tuple[Shown, Shown]]) -> list[str]:
    rates, stored = zip(*(with_it.flood for _, with_it in pairs), strict=True)
    flood = f"a flood of {statistics.median(rates):,.0f} a second ({min(rates):,.0f}-{max(rates):,.0f})"
    return [
        f"{flood}, of which {min(stored)}-{max(stored)} are stored; {len(pairs)} pairs",
        f"| ms | p50 without, with | p99 without, with | ratio of p99, median | min-max (goal {GOAL}) |",
        "|---|---|---|---|---|",
        _row("answered", [(without.answered, with_it.answered) for without, with_it in pairs]),
        _row("handled", [(without.handled, with_it.handled) for without, with_it in pairs]),
        f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores",
    ]


def _row(name: str, pairs: Sequence[tuple[Answers, Answers]]) -> str:
    def medians(of_thousand: int) -> str:
        return ", ".join(f"{statistics.median(pair[side].share(of_thousand) for pair in pairs):.2f}" for side in (0, 1))

    ratios = [with_it.share(990) / without.share(990) for without, with_it in pairs]
    return (
        f"| {name} | {medians(500)} | {medians(990)} | {statistics.median(ratios):.2f}"
        f" | {min(ratios):.2f}-{max(ratios):.2f} |"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench.receiver.flood", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="pairs, with the flood and without (3)")
    parser.add_argument("--seconds", type=int, default=8, help="that are counted of a run (8)")
    parser.add_argument("--flood", type=int, default=5_000, help="webhooks about one order, a second (5000)")
    parser.add_argument("--per-second", type=int, default=100, help="real orders of another shop (100)")
    parser.add_argument("--directory", type=Path, help="where the databases are: the disk that is used")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
