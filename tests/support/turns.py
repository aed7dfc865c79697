"""Turns: tests run beside each other, but one that measures time has the machine to itself."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def turn(*, alone: bool) -> Iterator[None]:
    """Wait until the tests of the run's other processes leave room; `alone` waits until none of them runs one."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if run is None:
        yield
        return
    room = Path(tempfile.gettempdir()) / f"ombud-tests-{run}"
    with room.with_suffix(".door").open("w") as door, room.with_suffix(".room").open("w") as inside:
        # Whoever waits for an empty room holds the door meanwhile: else the others would keep it full for ever.
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(inside, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(door, fcntl.LOCK_UN)
        try:
            yield
        finally:
            # Closing is not enough: a child that was forked meanwhile has the lock too.
            fcntl.flock(inside, fcntl.LOCK_UN)
