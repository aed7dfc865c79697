"""Turns: tests run beside each other, but one that measures time has the machine to itself."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Files that every process of a run has, to lock.
DOOR, ROOM = Path(__file__), Path(__file__).with_name("processes.py")


@contextmanager
def turn(*, alone: bool) -> Iterator[None]:
    """Wait until the tests of the run's other processes leave room; `alone` waits until none of them runs one."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        yield
        return
    with DOOR.open() as door, ROOM.open() as room:
        # Whoever waits for an empty room holds the door meanwhile: else the others would keep it full for ever.
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(door, fcntl.LOCK_UN)
        try:
            yield
        finally:
            # Closing is not enough: a child that was forked meanwhile has the lock too.
            fcntl.flock(room, fcntl.LOCK_UN)
