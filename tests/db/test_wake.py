"""The datagram that says "look now"."""

import asyncio
import resource
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from ombud.db.wake import WakeListener, send_wake
from tests.db.children import Child, Line, in_child
from tests.db.sql import descriptors_on


class Woken:
    """Counts the calls, and lets a test wait for the next one."""

    def __init__(self) -> None:
        self.times = 0
        self._event = asyncio.Event()

    def __call__(self) -> None:
        self.times += 1
        self._event.set()

    async def next(self) -> None:
        async with asyncio.timeout(30):
            await self._event.wait()
        self._event.clear()


def _long(folder: Path) -> Path:
    deep = folder / ("d" * 120)
    deep.mkdir()
    return deep / "ombud.db.outbox.wake"


PLACES: list[Callable[[Path], Path]] = [lambda folder: folder / "wake", _long]


@pytest.mark.parametrize("place", PLACES, ids=["short", "longer than an address"])
async def test_another_process_wakes_the_listener(tmp_path: Path, place: Callable[[Path], Path]) -> None:
    path, woken = place(tmp_path), Woken()
    listener = WakeListener(path, woken)
    for _ in range(3):
        assert in_child(lambda: send_wake(path)) is None
        await woken.next()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    listener.close()
    assert not path.exists()
    assert descriptors_on(tmp_path) == []


async def test_the_file_of_a_killed_listener_is_taken_over(tmp_path: Path) -> None:
    path, woken = tmp_path / "wake", Woken()

    def listen(line: Line) -> None:
        left = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        left.bind(str(path))
        line.send("bound")
        line.recv()

    child = Child(listen)
    assert child.hear() == "bound"
    child.kill()
    assert path.exists()

    listener = WakeListener(path, woken)
    send_wake(path)
    await woken.next()
    listener.close()


async def test_many_datagrams_before_a_look_are_one_call(tmp_path: Path) -> None:
    path, woken = tmp_path / "wake", Woken()
    listener = WakeListener(path, woken)
    for _ in range(1_000):
        send_wake(path)
    await woken.next()
    send_wake(path)
    await woken.next()

    assert woken.times == 2
    listener.close()


def _nothing(_: Path) -> None:
    pass


def _stale_socket(path: Path) -> None:
    left = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    left.bind(str(path))
    left.close()


def _no_socket(path: Path) -> None:
    path.write_text("a letter")


@pytest.mark.parametrize("make", [_nothing, _stale_socket, _no_socket])
def test_nobody_listens_and_nothing_happens(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "wake")
    before = sorted(tmp_path.iterdir())

    send_wake(tmp_path / "wake")
    send_wake(tmp_path / "missing" / ("x" * 120) / "wake")

    assert sorted(tmp_path.iterdir()) == before


def test_waking_never_fails_even_without_a_free_descriptor(tmp_path: Path) -> None:
    """It comes after a commit: an error here would deny what is stored."""

    def wake_without_descriptors() -> str:
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, most))
        send_wake(tmp_path / "wake")
        return "well"

    assert in_child(wake_without_descriptors) == "well"
