"""Two who write at once: one whose commit is held open, and another who begins meanwhile and may have to wait."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TypeVar

from ombud.db.database import Database
from ombud.db.operation import Make, Operation
from tests.support.processes import PATIENCE_SECONDS

T = TypeVar("T")

# Seconds that somebody is given who may have to wait for another's commit: then that commit comes.
A_MOMENT_SECONDS = 0.2


@contextmanager
def held_open(run: Callable[[Make[None]], None], make: Make[object]) -> Iterator[None]:
    """Run an operation in a thread, whose commit comes at the end of the block."""
    written, gate = threading.Event(), threading.Event()

    def hold() -> Operation[None]:
        yield from make()
        written.set()
        assert gate.wait(PATIENCE_SECONDS)

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(run, hold)
        assert written.wait(PATIENCE_SECONDS)
        try:
            yield
        finally:
            gate.set()
            done.result(PATIENCE_SECONDS)


def meanwhile(database: Database, make: Make[object], other: Database, others: Make[T]) -> T:
    """Return what another's operation comes to that begins while the commit of the first is held open."""
    with ThreadPoolExecutor(1) as pool:
        with held_open(database.write, make):
            second = pool.submit(other.write, others)
            wait([second], A_MOMENT_SECONDS)
        return second.result(PATIENCE_SECONDS)
