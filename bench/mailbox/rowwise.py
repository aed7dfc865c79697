"""The same work a row at a time: append, claim and finish are each a commit of their own. The yardstick."""

import asyncio
import time
from pathlib import Path
from typing import Any

import apsw
import asyncpg

_APPEND = (
    """insert into event(day, shop_id, id, box, type, subject, created_at, fan_out)
    values ({0}, 1, {1}, 1, 'order.new', {2}, {3}, 1)""",
    "insert into delivery(day, shop_id, event_id, lane_id, subject, due_at) values ({0}, 1, {1}, 7, {2}, {3})",
)
_CLAIM = (
    "update delivery set due_at = {0} where (day, event_id, lane_id) = (select day, event_id, lane_id from delivery"
    " where lane_id = 7 and state = 0 and rank = 0 and due_at <= {1} order by due_at, event_id limit 1 {2})"
    " returning day, event_id"
)
_FINISH = (
    """insert into attempt(day, shop_id, event_id, lane_id, id, generation, at, milliseconds, status, outcome)
    values ({0}, 1, {1}, 7, {1}, 0, {2}, 0, 200, 'done')""",
    "update delivery set state = 1, attempts = attempts + 1 where day = {0} and event_id = {1} and lane_id = 7",
)
# Microseconds that a claim lasts.
_LEASE = 30_000_000


def sqlite(path: Path, seconds: float) -> float:
    """Return deliveries a second on one connection to a migrated file."""
    connection = apsw.Connection(str(path))
    connection.execute("pragma journal_mode = wal; pragma synchronous = full")
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    day = connection.execute("select max(day) from day").fetchall()[0][0]
    marks = [f"?{number}" for number in range(1, 5)]
    append, finish = [text.format(*marks) for text in _APPEND], [text.format(*marks) for text in _FINISH]
    claim = _CLAIM.format("?1", "?2", "")
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        done += 1
        now = time.time_ns() // 1000
        with _transaction(connection):
            connection.execute(append[0], (day, done, f"order/{done}", now))
            connection.execute(append[1], (day, done, f"order/{done}", now))
        with _transaction(connection):
            [(_, event_id)] = connection.execute(claim, (now + _LEASE, now)).fetchall()
        with _transaction(connection):
            connection.execute(finish[0], (day, event_id, now))
            connection.execute(finish[1], (day, event_id))
    rate = done / (time.perf_counter() - began)
    connection.close()
    return rate


async def postgres(url: str, seconds: float, connections: int = 16) -> float:
    """Return deliveries a second on that many connections to a migrated database."""
    pool = await asyncpg.create_pool(
        url, min_size=connections, max_size=connections, server_settings={"search_path": "ombud"}
    )
    day = await pool.fetchval("select max(day) from day")
    deadline, counts = time.perf_counter() + seconds, [0] * connections
    began = time.perf_counter()
    await asyncio.gather(*[_postgres_one(pool, day, number, deadline, counts) for number in range(connections)])
    rate = sum(counts) / (time.perf_counter() - began)
    await pool.close()
    return rate


async def _postgres_one(pool: Any, day: int, number: int, deadline: float, counts: list[int]) -> None:
    marks = [f"${place}" for place in range(1, 5)]
    append, finish = [text.format(*marks) for text in _APPEND], [text.format(*marks) for text in _FINISH]
    claim = _CLAIM.format("$1", "$2", "for update skip locked")
    made = 0
    async with pool.acquire() as connection:
        while time.perf_counter() < deadline:
            made += 1
            now, id_ = time.time_ns() // 1000, number << 40 | made
            async with connection.transaction():
                await connection.execute(append[0], day, id_, f"order/{id_}", now)
                await connection.execute(append[1], day, id_, f"order/{id_}", now)
            claimed = await connection.fetchrow(claim, now + _LEASE, now)
            if claimed is None:
                continue
            async with connection.transaction():
                await connection.execute(finish[0], day, claimed["event_id"], now)
                await connection.execute(finish[1], day, claimed["event_id"])
            counts[number] += 1


class _transaction:  # noqa: N801 - used like a function
    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("begin immediate")

    def __exit__(self, *_: object) -> None:
        self._connection.execute("commit")
