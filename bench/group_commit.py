"""How many commits of one event loop should be under way at once? usage: python -m bench.group_commit [--rounds 3]

Rows come at random times, so many a second, on a PostgreSQL that is beside or a millisecond away. What counts is how
long a row waits for its commit. The choices take turns: what else the machine does meets all of them.
"""

import argparse
import asyncio
import itertools
import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack

from ombud.db import loop_writer
from ombud.db.operation import Operation, Statement
from ombud.db.postgres import PostgresDatabase
from tests.support.postgres import PostgresServers
from tests.support.postgres_proxy import PostgresProxy

# Rows in a second.
RATES = (500, 2000, 4000)
UNDER_WAY = (1, 2, 3)
# Seconds that a message is on its way.
WAYS = (0.0, 0.0005)
SECONDS = 1.5

CREATE = Statement("create", "create table if not exists item(id bigint, body text)")
ADD = Statement(
    "add",
    "insert into item(id, body) values (:id, :body)",
    "insert into item(id, body) select id, body from {rows} r",
    (("id", "bigint"), ("body", "text")),
)


def add_all(items: Sequence[int]) -> Operation[list[None]]:
    """Write rows with one statement."""
    yield ADD, [(item, "x" * 200) for item in items]
    return [None] * len(items)


def create() -> Operation[None]:
    """Make the table."""
    yield CREATE, {}


async def run(database: PostgresDatabase, rate: int) -> tuple[float, float]:
    """Return how long rows waited: the median and the slowest of a hundred, in milliseconds."""
    writer = database.open_writer()
    waits: list[float] = []

    async def one(number: int) -> None:
        begun = time.perf_counter()
        await writer.add(add_all, number)
        waits.append(1000 * (time.perf_counter() - begun))

    await _at_random(one, rate)
    await asyncio.to_thread(writer.close)
    waits.sort()
    return statistics.median(waits), waits[len(waits) * 99 // 100]


async def _at_random(start: Callable[[int], Awaitable[None]], rate: int) -> None:
    dice = random.Random(rate)  # noqa: S311 - no secret
    begun = time.perf_counter()
    due, number = begun, 0
    async with asyncio.TaskGroup() as group:
        while due < begun + SECONDS:
            now = time.perf_counter()
            while due <= now:
                group.create_task(_awaited(start(number)))
                number += 1
                due += dice.expovariate(rate)
            await asyncio.sleep(max(0.0, due - time.perf_counter()))


async def _awaited(awaitable: Awaitable[None]) -> None:
    await awaitable


async def measure(rounds: int) -> None:
    """Measure everything and print it."""
    waits: dict[tuple[float, int, int], list[tuple[float, float]]] = defaultdict(list)
    servers = PostgresServers()
    server = servers["newest"]
    async with AsyncExitStack() as stack:
        name = stack.enter_context(server.database())
        databases = {0.0: await asyncio.to_thread(PostgresDatabase, server.url(name))}
        await asyncio.to_thread(databases[0.0].write, create)
        for way in WAYS[1:]:
            proxy = await stack.enter_async_context(PostgresProxy(server.socket, way_seconds=way).listening())
            databases[way] = await asyncio.to_thread(PostgresDatabase, proxy.url(name))
        for _, way, rate, under_way in itertools.product(range(rounds), WAYS, RATES, UNDER_WAY):
            setattr(loop_writer, "COMMITS_UNDER_WAY", under_way)  # noqa: B010 - it is final for everybody else
            waits[way, rate, under_way].append(await run(databases[way], rate))
        for database in databases.values():
            await asyncio.to_thread(database.close)
    servers.remove()
    sys.stdout.write("| way ms | rows/s | under way | median ms | p99 ms |\n|---|---|---|---|---|\n")
    for (way, rate, under_way), found in waits.items():
        median, slow = (statistics.median(column) for column in zip(*found, strict=True))
        sys.stdout.write(f"| {1000 * way:g} | {rate:,} | {under_way} | {median:.2f} | {slow:.2f} |\n")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser("python -m bench.group_commit", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each choice is measured (3)")
    asyncio.run(measure(parser.parse_args().rounds))


if __name__ == "__main__":
    main()
