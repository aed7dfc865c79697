"""The scenarios: each runs in a process of its own on a fresh database and returns figures by name."""

import asyncio
import multiprocessing
import resource
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import asyncpg

from bench.mailbox import rowwise
from bench.mailbox.mill import DEAD, Mill, at_random, in_turn
from bench.mailbox.place import Place, PostgresPlace, SqlitePlace
from ombud.db.migrate import migrate
from ombud.db.operation import Operation, Statement
from ombud.mailbox.appetite import QUANTUM
from ombud.mailbox.lease import lease, release
from ombud.mailbox.load import Wanted, load
from ombud.mailbox.mailbox import sql
from ombud.mailbox.model import Draft
from ombud.mailbox.retention import open_days
from ombud.mailbox.worker import Worker

Figures = Mapping[str, float]
Scenario = Callable[[Place, float], Awaitable[Figures]]

LANES = 200
SPARSE_LANES = 100_000
DEAD_LANES = 1_000
WAITING = 1_000_000
FEW_STORED, MANY_STORED = 10_000, 5_000_000
SNAPSHOT_DELIVERIES = 200_000
# Deliveries of an append when a lane gets about two and a half of them.
FEW_PER_LOAD = 500
# Deliveries of an append to sparse lanes: what 25,000 a second bring in 20 ms.
SPARSE_BATCH = 500
APPENDERS, APPENDS_PER_SECOND = 4, 1_000
_RUNG = "select count(*) from lane where wake_at < 4611686018427387904"
_END_ALL = Statement("end_all", "update delivery set state = 1 where state = 0")
# Seconds in which four processes that have just started prepare their statements.
WARM_UP_SECONDS = 1.0


async def busy(place: Place, seconds: float) -> Figures:
    """200 busy lanes."""
    mill = Mill.on(place.open())
    lanes = in_turn(await mill.add_lanes(LANES))
    async with mill.working():
        await mill.feed(lanes, seconds / 4)
        before, logged, stored = mill.performed, place.bytes_logged(), place.bytes_stored()
        rate = await mill.feed(lanes, seconds)
        done = mill.performed - before
        logged = place.bytes_logged() - logged
    mill.close()
    return {
        "deliveries/s": rate,
        "log bytes/delivery": logged / done,
        "stored bytes/delivery": (place.bytes_stored() - stored) / done,
    }


async def row_at_a_time(place: Place, seconds: float) -> Figures:
    """The same work, each step of each delivery a commit of its own."""
    database = place.open()
    migrate(database, ["ombud.mailbox"])
    database.write(lambda: open_days(database.clock()))
    database.close()
    if isinstance(place, SqlitePlace):
        return {"deliveries/s": rowwise.sqlite(place.path, seconds)}
    assert isinstance(place, PostgresPlace)
    return {"deliveries/s": await rowwise.postgres(place.url, seconds)}


async def sparse(place: Place, seconds: float) -> Figures:
    """100,000 lanes that are nearly always idle, beside 1,000 whose destination is dead and has work waiting."""
    mill = Mill.on(place.open())
    lanes = at_random(await mill.add_lanes(SPARSE_LANES, shops=SPARSE_LANES // 20))
    dead = await mill.add_lanes(DEAD_LANES, first=DEAD)
    for _ in range(10):
        await mill.append(dead)
    async with mill.working():
        await mill.feed(lanes, seconds / 2, SPARSE_BATCH)
        logged, before = place.bytes_logged(), mill.performed
        rate = await mill.feed(lanes, seconds, SPARSE_BATCH)
        logged = place.bytes_logged() - logged
    done = mill.performed - before
    mill.close()
    return {"deliveries/s": rate, "log bytes/delivery": logged / done}


async def finding(place: Place, _seconds: float) -> Figures:
    """Finding work, with few and with many deliveries stored."""
    mill = Mill.on(place.open())
    lanes = await mill.add_lanes(LANES)
    figures = {}
    for stored, name in ((FEW_STORED, "few"), (MANY_STORED, "many")):
        await asyncio.to_thread(_store_ended, mill, lanes, stored)
        await _clean_up(place)
        figures[f"µs/delivery with {name} stored"] = await _find(mill, lanes)
    mill.close()
    return figures | {"many/few": figures["µs/delivery with many stored"] / figures["µs/delivery with few stored"]}


async def held(place: Place, seconds: float) -> Figures:
    """One paused lane with a million due deliveries beside 200 busy ones; without it, as many are stored that ended.

    A larger database is slower by itself, by a tenth on PostgreSQL, whatever the rows are.
    """
    mill = Mill.on(place.open())
    every = await mill.add_lanes(LANES)
    [paused] = await mill.add_lanes(1, first=LANES)
    await asyncio.to_thread(_store_ended, mill, every, WAITING)
    await _clean_up(place)
    lanes = in_turn(every)
    async with mill.working():
        await mill.feed(lanes, seconds / 2)
        rates = [await mill.feed(lanes, seconds / 2) for _ in range(3)]
        await mill.writer.write(lambda: mill.mailbox.pause(paused))
    await _let_wait(mill, [paused])
    await _clean_up(place)
    async with mill.working():
        await mill.feed(lanes, seconds / 2)
        beside = [await mill.feed(lanes, seconds / 2) for _ in range(3)]
    mill.close()
    without, with_held = statistics.median(rates), statistics.median(beside)
    return {
        "without, deliveries/s": without,
        "beside it, deliveries/s": with_held,
        "beside/without": with_held / without,
    }


async def snapshot(place: Place, _seconds: float) -> Figures:
    """200,000 deliveries, few at a load, without and with an open snapshot."""
    assert isinstance(place, PostgresPlace)
    mill = Mill.on(place.open())
    lanes = in_turn(await mill.add_lanes(LANES))
    async with mill.working():
        await _deliver(mill, lanes, SNAPSHOT_DELIVERIES // 10)
        without = await _deliver(mill, lanes, SNAPSHOT_DELIVERIES)
        reader = await asyncpg.connect(place.url, server_settings={"search_path": "ombud"})
        await reader.execute("begin isolation level repeatable read")
        await reader.fetchval("select count(*) from lane")
        beside = await _deliver(mill, lanes, SNAPSHOT_DELIVERIES)
        await reader.execute("commit")
        await reader.close()
    mill.close()
    return {"without, deliveries/s": without, "with it, deliveries/s": beside, "with/without": beside / without}


async def appending(place: Place, seconds: float) -> Figures:
    """Four processes that append on a schedule, and the performer on the same file."""
    assert isinstance(place, SqlitePlace)
    mill = Mill.on(place.open())
    lanes = await mill.add_lanes(LANES)
    context = multiprocessing.get_context("spawn")
    answers: multiprocessing.Queue[list[float]] = context.Queue()
    start = time.time() + 6  # when all of them have started
    share = APPENDS_PER_SECOND / APPENDERS
    # In turn, so that together they append evenly.
    starts = [start + number / APPENDS_PER_SECOND for number in range(APPENDERS)]
    processes = [
        context.Process(target=_append_on_schedule, args=(place.path, lanes, own_start, share, seconds, answers))
        for own_start in starts
    ]
    for process in processes:
        process.start()
    with mill.database.listen("outbox", lambda: None):
        async with mill.working() as worker:
            with_wake = asyncio.create_task(_wake_now_and_then(worker, start + WARM_UP_SECONDS + seconds))
            milliseconds = [one for _ in processes for one in await asyncio.to_thread(answers.get)]
            await with_wake
            await mill.until(lambda: mill.performed >= len(milliseconds))
    for process in processes:
        process.join()
    mill.close()
    milliseconds.sort()
    return {
        "appends/s": len(milliseconds) / seconds,
        "p50 ms": milliseconds[len(milliseconds) // 2],
        "p99 ms": milliseconds[len(milliseconds) * 99 // 100],
        "longest ms": milliseconds[-1],
    }


async def memory(place: Place, seconds: float) -> Figures:
    """A million due deliveries that wait while a worker performs."""
    mill = Mill.on(place.open())
    lanes = await mill.add_lanes(LANES)
    await _let_wait(mill, lanes)
    idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    async with mill.working():
        await asyncio.sleep(seconds)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    done = mill.performed
    mill.close()
    return {"MiB": most, "MiB before work": idle, "performed meanwhile": float(done)}


async def _deliver(mill: Mill, lanes: Callable[[int], Sequence[int]], amount: int) -> float:
    began, before = time.perf_counter(), mill.performed
    for _ in range(0, amount, FEW_PER_LOAD):
        await mill.append(lanes(FEW_PER_LOAD))
    await mill.until(lambda: mill.performed - before >= amount)
    return amount / (time.perf_counter() - began)


async def _let_wait(mill: Mill, lanes: Sequence[int]) -> None:
    choose = in_turn(lanes)
    for _ in range(0, WAITING, 10_000):
        await mill.append(choose(10_000))


async def _find(mill: Mill, lanes: Sequence[int]) -> float:
    """Return the microseconds that lease and load take for each delivery that they find."""
    choose, spent, found = in_turn(lanes), [], 0
    for _ in range(15):
        await mill.append(choose(LANES * 16))
        # On PostgreSQL the ring follows the append's commit.
        await mill.until(lambda: mill.ask(_RUNG)[0][0] == LANES)

        def find() -> Operation[int]:
            taken = yield from lease(mill.mailbox, LANES)
            loaded = yield from load(mill.mailbox, [Wanted(lane.id, most=QUANTUM, replays=0) for lane in taken])
            yield from release([(lane, lane.health) for lane in taken])
            return sum(len(one.deliveries) for one in loaded.values())

        began = time.perf_counter()
        found = await mill.writer.write(find)
        spent.append((time.perf_counter() - began) / found * 1e6)
        await asyncio.to_thread(mill.database.write, _end_all)
    return statistics.median(spent)


def _end_all() -> Operation[None]:
    yield _END_ALL, {}
    yield Statement("sleep", "update lane set wake_at = 4611686018427387904, lease_token = null"), {}


def _store_ended(mill: Mill, lanes: Sequence[int], amount: int) -> None:
    """Store ended deliveries with their events, as many as that in all, in steps."""
    have = mill.ask("select count(*) from delivery")[0][0]
    day = mill.ask("select max(day) from day")[0][0]
    step = 50_000
    while have < amount:
        rows = min(step, amount - have)
        mill.database.write(partial(_store, day, mill.mailbox.ids.take(rows), lanes))
        have += rows


async def _clean_up(place: Place) -> None:
    """Do what PostgreSQL does by itself while so much is stored in hours instead of minutes."""
    if not isinstance(place, PostgresPlace):
        return
    connection = await asyncpg.connect(place.url, server_settings={"search_path": "ombud"})
    await connection.execute("vacuum analyze event")
    await connection.execute("vacuum analyze delivery")
    await connection.close()


def _store(day: int, ids: Sequence[int], lanes: Sequence[int]) -> Operation[None]:
    yield sql["insert_events"], [(day, 1, id_, 1, "order.new", f"order/{id_}", None, 1) for id_ in ids]
    rows = [(day, 1, id_, lanes[place % len(lanes)], f"order/{id_}", 0) for place, id_ in enumerate(ids)]
    yield sql["insert_deliveries"], rows
    yield _END_ALL, {}


async def _wake_now_and_then(worker: Worker, until: float) -> None:
    while time.time() < until:
        worker.wake()
        await asyncio.sleep(0.01)


def _append_on_schedule(
    path: Path,
    lanes: Sequence[int],
    start: float,
    per_second: float,
    seconds: float,
    answers: "multiprocessing.Queue[list[float]]",
) -> None:
    """Append at fixed times, whatever the one before took; send how late each was durable, in milliseconds."""
    mill = Mill.on(SqlitePlace(path.parent).open())
    choose, taken = in_turn(lanes), []
    for number in range(round(per_second * (WARM_UP_SECONDS + seconds))):
        due = start + number / per_second
        time.sleep(max(0.0, due - time.time()))
        drafts = [Draft(1, "order.new", f"order/{number}", choose(1))]
        mill.database.write(lambda: mill.mailbox.append(drafts))  # noqa: B023 - run at once
        taken.append((time.time() - due) * 1000)
    answers.put(taken[round(per_second * WARM_UP_SECONDS) :])
    mill.close()


SCENARIOS: Mapping[str, Scenario] = {
    function.__name__: function
    for function in (busy, row_at_a_time, sparse, finding, held, snapshot, appending, memory)
}
