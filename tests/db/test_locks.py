"""File locks: one holder, freed by the kernel however the holder ends."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ombud.db.locks import FileLock
from ombud.errors import StorageUnavailable
from tests.db.children import Child, Line
from tests.db.sql import descriptors_on


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lock"


def test_one_holder_at_a_time(path: Path) -> None:
    first, second = FileLock(path), FileLock(path)

    assert first.try_acquire()
    assert not second.try_acquire()
    first.release()
    assert second.try_acquire()
    assert not first.try_acquire()
    first.close()
    second.close()


def test_the_file_is_private_and_stays(path: Path, tmp_path: Path) -> None:
    lock = FileLock(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    lock.close()
    lock.close()

    assert path.exists()
    assert descriptors_on(tmp_path) == []


def test_a_closed_lock_says_so(path: Path) -> None:
    lock = FileLock(path)
    lock.close()

    with pytest.raises(StorageUnavailable, match="was closed"):
        lock.try_acquire()
    with pytest.raises(StorageUnavailable, match="was closed"):
        lock.acquire(0)


def _hold(path: Path) -> Child:
    """Have another process hold the lock."""

    def hold(line: Line) -> None:
        lock = FileLock(path)
        assert lock.try_acquire()
        line.send("held")
        line.recv()
        lock.release()
        line.send("released")
        line.recv()

    child = Child(hold)
    assert child.hear() == "held"
    return child


def test_the_wait_is_bounded(path: Path) -> None:
    child = _hold(path)
    lock = FileLock(path)

    with pytest.raises(StorageUnavailable, match=r"Another process has held .*lock for 0\.01 seconds"):
        lock.acquire(0.01)

    child.kill()
    lock.close()


def test_it_is_there_as_soon_as_the_holder_lets_go(path: Path) -> None:
    child = _hold(path)
    lock = FileLock(path)
    child.say()
    lock.acquire(30)

    assert child.hear() == "released"
    lock.close()
    child.kill()


def test_the_kernel_frees_it_when_the_holder_is_killed(path: Path) -> None:
    child = _hold(path)
    child.kill()
    lock = FileLock(path)

    assert lock.try_acquire()
    lock.close()


def test_a_started_program_does_not_inherit_it(path: Path) -> None:
    lock = FileLock(path)
    assert lock.try_acquire()
    script = [sys.executable, "-c", "print('up', flush=True); input()"]
    with subprocess.Popen(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"up\n"
        lock.close()
        other = FileLock(path)
        acquired = other.try_acquire()
        program.communicate(b"\n", timeout=30)

    assert acquired
    other.close()
