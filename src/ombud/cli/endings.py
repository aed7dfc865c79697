"""How a process that runs until it is told to stop ends: by a signal, or because the disk failed under its data."""

import asyncio
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from ombud.cli.failures import FAILURE, INTERRUPTED, OK, say_error
from ombud.db.damage import GONE
from ombud.db.database import Database
from ombud.errors import StorageUnavailable


def stop_when_failed(databases: Sequence[Database], stop: Callable[[], None]) -> None:
    """Have `stop` called on this event loop when one of the databases fails: a supervisor starts the process anew."""
    loop = asyncio.get_running_loop()
    for database in databases:
        database.when_failed(partial(loop.call_soon_threadsafe, stop))


@contextmanager
def failure_explains(databases: Sequence[Database]) -> Iterator[None]:
    """Let what could not be stored pass, if a database has failed: `exit_code_after` says so."""
    try:
        yield
    except StorageUnavailable:
        if all(database.failure is None for database in databases):
            raise


def exit_code_after(databases: Sequence[Database], received: Sequence[signal.Signals]) -> int:
    """Return the exit code of a process that has stopped; says in one line if a database has failed."""
    for database in databases:
        if database.failure is not None:
            kept = "What was answered is stored as far as the disk kept it; start this again to have the file checked."
            if database.failure == GONE:
                kept = "What was answered is in the file that was there; start this again."
            say_error(f"{database.name}: {database.failure}. {kept}")
            return FAILURE
    return INTERRUPTED if received and received[0] is signal.SIGINT else OK
