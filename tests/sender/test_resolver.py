"""Looking names up: none waits for another, what was told is believed for its time, and nothing is left behind."""

import asyncio
import gc
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ombud.sender import resolver
from ombud.sender.resolver import Resolver
from ombud.sender.verdict import DeliveryFailed, Failure
from tests.support.name_server import FAILURE, SILENCE, UNKNOWN, NameServer, Says

HANGING = 1_000


@pytest.fixture
async def one(names: NameServer) -> AsyncIterator[Resolver]:
    """Look names up at the name server of the test."""
    made = Resolver()
    yield made
    made.close()


async def failure_of(one: Resolver, host: str) -> Failure | None:
    try:
        await one.look_up(host)
    except DeliveryFailed as error:
        return error.failure
    return None


async def test_everybody_who_asks_at_the_same_time_asks_once(names: NameServer, one: Resolver) -> None:
    names.are("shop.example", Says(["8.8.8.8"], after_seconds=0.1), ["10.0.0.1"])

    found = await asyncio.gather(*(one.look_up("shop.example") for _ in range(50)))

    assert {str(each.addresses[0]) for each in found} == {"8.8.8.8"}
    assert names.asked == ["shop.example"]


async def test_whoever_gives_up_takes_nobody_with_them(names: NameServer, one: Resolver) -> None:
    names.are("shop.example", Says(["8.8.8.8"], after_seconds=0.2))
    first, second = (asyncio.ensure_future(one.look_up("shop.example")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()

    assert (await second).addresses
    assert first.cancelled()
    assert names.asked == ["shop.example"]


@pytest.mark.alone
async def test_a_thousand_names_that_hang_delay_no_other(names: NameServer, one: Resolver) -> None:
    for number in range(HANGING):
        names.are(f"hang{number}.example", SILENCE)
    for number in range(100):
        names.are(f"good{number}.example", ["8.8.8.8"])
    hanging = [asyncio.ensure_future(failure_of(one, f"hang{number}.example")) for number in range(HANGING)]
    await asyncio.sleep(0)
    lag, stop = [0.0], asyncio.Event()
    watch = asyncio.ensure_future(_watch(lag, stop))

    for number in range(100):
        assert (await one.look_up(f"good{number}.example")).addresses

    # Not one of them has ended, and the event loop never stood still.
    assert not any(task.done() for task in hanging)
    stop.set()
    await watch
    assert max(lag) < 1.0
    started = time.monotonic()
    assert Counter(await asyncio.gather(*hanging)) == {Failure.NAME_TIMEOUT: HANGING}
    assert time.monotonic() - started < resolver.LOOKUP_SECONDS + 5


async def _watch(lag: list[float], stop: asyncio.Event) -> None:
    while not stop.is_set():
        before = time.monotonic()
        await asyncio.sleep(0.01)
        lag.append(time.monotonic() - before - 0.01)


async def test_past_the_limit_names_queue_and_no_longer_than_they_may(
    names: NameServer, one: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver, "LOOKUPS", 2)
    monkeypatch.setattr(resolver, "LOOKUP_SECONDS", 0.5)
    monkeypatch.setattr(resolver, "QUERY_SECONDS", 0.1)
    monkeypatch.setattr(resolver, "QUERY_ROUNDS", 1)
    hosts = [f"hang{number}.example" for number in range(6)]
    for host in hosts:
        names.are(host, SILENCE)

    async with asyncio.timeout(5):
        ends = await asyncio.gather(*(failure_of(one, host) for host in hosts))

    assert ends == [Failure.NAME_TIMEOUT] * 6
    # Nothing of them is left in the way of the next.
    names.are("good.example", ["8.8.8.8"])
    async with asyncio.timeout(5):
        assert (await one.look_up("good.example")).addresses
    assert (one._lookups, list(one._queue)) == ({}, [])


@pytest.mark.parametrize(
    ("says", "failure", "seconds"),
    [
        (UNKNOWN, Failure.NAME_UNKNOWN, 4.0),
        (Says(), Failure.NAME_WITHOUT_ADDRESS, 4.0),
        (FAILURE, Failure.NAME_SERVER_FAILED, 4.0),
        (SILENCE, Failure.NAME_TIMEOUT, 15.0),
    ],
)
async def test_a_failure_is_believed_for_a_while(
    names: NameServer,
    one: Resolver,
    monkeypatch: pytest.MonkeyPatch,
    says: Says,
    failure: Failure,
    seconds: float,
) -> None:
    monkeypatch.setattr(resolver, "LOOKUP_SECONDS", 0.3)
    names.are("shop.example", says)

    assert await failure_of(one, "shop.example") is failure
    asked = len(names.asked)
    assert await failure_of(one, "shop.example") is failure
    assert len(names.asked) == asked
    now = asyncio.get_running_loop().time()
    known = one.known("shop.example", now)
    assert known is not None
    assert seconds - 1 < known.expires - now <= seconds <= 30


@pytest.mark.parametrize("says", [UNKNOWN, Says(), FAILURE])
async def test_after_that_it_is_asked_anew(
    names: NameServer, one: Resolver, monkeypatch: pytest.MonkeyPatch, says: Says
) -> None:
    monkeypatch.setattr(resolver, "NO_ANSWER_SECONDS", 0.0)
    names.are("shop.example", says)
    assert await failure_of(one, "shop.example") is not None
    names.are("shop.example", ["8.8.8.8"])

    assert await failure_of(one, "shop.example") is None


async def test_a_long_answer_comes_by_tcp(names: NameServer, one: Resolver) -> None:
    names.are("shop.example", Says([f"8.8.{part}.8" for part in range(200)], cut_by_udp=True))

    assert len((await one.look_up("shop.example")).addresses) == 200


async def test_this_machine_needs_no_name_server(names: NameServer, one: Resolver) -> None:
    assert all(address.is_loopback for address in (await one.look_up("localhost")).addresses)
    assert names.asked == []


async def test_channels_come_and_go_without_a_trace(
    names: NameServer, one: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver, "CHANNEL_SECONDS", 0.0)
    names.are("shop.example", ["8.8.8.8"])

    async def look_up(times: int) -> tuple[int, int]:
        for _ in range(times):
            await one.look_up("shop.example")
        gc.collect()
        # They are closed by a thread of their own.
        await asyncio.sleep(0.3)
        return len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - it answers at once

    threads, files = await look_up(5)
    later = await look_up(50)

    assert later[0] <= threads + 2
    assert later[1] <= files + 2


async def test_so_many_names_are_remembered(names: NameServer, one: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "NAMES", 3)
    for number in range(10):
        names.are(f"shop{number}.example", Says(["8.8.8.8"], ttl=60))
        await one.look_up(f"shop{number}.example")
        assert len(one._known) <= 3


def test_a_name_server_that_hangs_does_not_hold_the_exit(names: NameServer) -> None:
    names.are("slow.example", SILENCE)
    program = f"""
import asyncio
from ombud.sender.guard import Guard
from ombud.sender.resolver import Resolver
from ombud.sender.url import parse_url

async def main():
    guard = Guard(resolver=Resolver(["{names.address}"]))
    look_up = asyncio.ensure_future(guard.vet(parse_url("http://slow.example/")))
    await asyncio.sleep(0.1)
    look_up.cancel()

asyncio.run(main())
"""
    started = time.monotonic()

    # The time is that of a busy machine: a process that is held never ends.
    done = subprocess.run([sys.executable, "-c", program], timeout=20, check=False, capture_output=True)

    assert (done.returncode, done.stderr) == (0, b"")
    assert time.monotonic() - started < 10


def test_a_loop_that_is_gone_hears_no_late_answer(names: NameServer) -> None:
    names.are("slow.example", Says(["8.8.8.8"], after_seconds=0.3))
    one = Resolver()

    async def leave() -> None:
        asked: Any = asyncio.ensure_future(one.look_up("slow.example"))
        await asyncio.sleep(0.05)
        asked.cancel()

    asyncio.run(leave())
    time.sleep(0.5)
    one.close()
