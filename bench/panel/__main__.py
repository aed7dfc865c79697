"""`python -m bench.panel`: how long every list and chart takes over 100,000 deliveries, or as many as are asked for.

The pages are asked for in this process, without a network, on both databases in turn. It ends with 1 when one of them
takes longer than the goal.
"""

import argparse
import asyncio
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import uvloop

from bench.machine import describe
from bench.panel.fill import Size
from bench.panel.visits import House
from bench.postgres import lent_database
from ombud.db.connect import open_database

# Milliseconds within which 95 of 100 answers are there.
GOAL = 200.0
# Of all rows so many are arrivals.
ARRIVALS_SHARE = 5
SHOWN = 12


def main() -> int:
    """Measure; returns 1 when a list is too slow."""
    options = _options()
    size = Size(options.deliveries, max(1, options.deliveries // ARRIVALS_SHARE))
    slow = False
    with tempfile.TemporaryDirectory(prefix="ombud-bench-", dir=options.directory) as folder:
        for name in ("sqlite", "postgres") if not options.database else (options.database,):
            with _place(name, Path(folder)) as url, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                taken = runner.run(_measure(url, size, options.rounds))
            slow |= _report(name, size, taken)
        machine = describe(Path(folder))
    sys.stdout.write(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in machine.items()) + "\n")
    return int(slow)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench.panel", description=__doc__)
    parser.add_argument("--deliveries", type=int, default=100_000, help="how many are stored (100000)")
    parser.add_argument("--rounds", type=int, default=20, help="how often each list is asked for (20)")
    parser.add_argument("--database", choices=["", "sqlite", "postgres"], default="", help="one of them")
    parser.add_argument("--directory", type=Path, help="where the databases are: the disk that is measured")
    return parser.parse_args()


@contextmanager
def _place(name: str, folder: Path) -> Iterator[str]:
    """Lend the address of an empty database."""
    if name == "sqlite":
        yield f"sqlite:///{folder}/panel.db"
        return
    with lent_database() as url:
        yield url


async def _measure(url: str, size: Size, rounds: int) -> Mapping[str, Sequence[float]]:
    database = await asyncio.to_thread(open_database, url)
    house = await asyncio.to_thread(House, database, url, size)
    await asyncio.to_thread(house.fill)
    if not url.startswith("sqlite"):
        await _clean_up(url)
    clients, taken = await asyncio.to_thread(house.clients), dict[str, list[float]]()
    for number in range(rounds + 1):
        for visit in house.visits():
            began = time.perf_counter()
            answer = await clients[visit.client].get(visit.path)
            spent = (time.perf_counter() - began) * 1000
            if answer.status_code not in {200, 303}:
                raise RuntimeError(f"{visit.name}: {answer.status_code} {_sentence(answer.text)}")
            if number:
                taken.setdefault(visit.name, []).append(spent)
    house.close()
    database.close()
    return taken


def _sentence(text: str) -> str:
    """Return what an answer says."""
    return re.sub(r"<[^>]*>|\s+", " ", text.partition("<main")[2] or text)[:300]


async def _clean_up(url: str) -> None:
    """Do what the server does by itself while so much is stored in days instead of minutes."""
    connection = await asyncpg.connect(url, server_settings={"search_path": "ombud"})
    await connection.execute("vacuum analyze")
    await connection.close()


def _report(name: str, size: Size, taken: Mapping[str, Sequence[float]]) -> bool:
    """Print the slowest; returns whether one is too slow."""
    found = sorted(((_p95(spans), min(spans), visit) for visit, spans in taken.items()), reverse=True)
    lines = [f"{name}, {size.deliveries:,} deliveries, {size.arrivals:,} arrivals: {len(found)} lists and charts"]
    lines += [f"  {p95:7.1f} ms p95  {least:7.1f} ms least  {visit}" for p95, least, visit in found[:SHOWN]]
    slow = [one for one in found if one[0] > GOAL]
    lines.append(f"  {len(slow)} are slower than {GOAL:g} ms")
    sys.stdout.write("\n".join(lines) + "\n")
    return bool(slow)


def _p95(spans: Sequence[float]) -> float:
    ordered = sorted(spans)
    return ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]


if __name__ == "__main__":
    sys.exit(main())
