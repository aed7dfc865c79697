"""What every database offers, and every writer on it. Which one it is, only the wiring knows."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar

from ombud.db.operation import Make, Operation

T = TypeVar("T")
Item = TypeVar("Item")
R = TypeVar("R")

# UTC microseconds.
Clock: TypeAlias = Callable[[], int]
# Does several items as one operation; returns a result for each, in their order.
Together: TypeAlias = Callable[[Sequence[Item]], Operation[Sequence[R]]]

# Operations in one transaction: enough to make the fsync cheap, few enough that one commit stays under about 50 ms.
BATCH_LIMIT = 512
# Operations that may wait. At 20,000 a second this is half a second of work; past it an honest 503 beats a long queue.
QUEUE_LIMIT = 10_000


class Seat(Protocol):
    """The right to perform a box. Where only one process may, the kernel frees it when that process dies."""

    def try_take(self) -> bool:
        """Take it if nobody has it; never waits. Always granted where every process may perform."""

    def close(self) -> None:
        """Give it back."""


class Writer(Protocol):
    """Group commit: what waits at the same moment shares one transaction."""

    @property
    def database(self) -> "Database":
        """The database that it writes to."""

    async def write(self, make: Make[T]) -> T:
        """Run the operation in a durable transaction; returns after the commit.

        Raises StorageUnavailable when nothing was stored, or whatever the operation raised. Cancelling the caller does
        not undo a write that is under way.
        """

    async def add(self, together: Together[Item, R], item: Item) -> R:
        """Write one item; all that wait with an equal `together` are done as one operation.

        When that operation raises, its items are repeated one by one, so that each has its own result or error.
        """

    def close(self) -> None:
        """Commit what waits, then stop."""


class Database(Protocol):
    """A database opened by this process. Thread-safe."""

    @property
    def name(self) -> str:
        """What messages call it; never shows a password."""

    @property
    def clock(self) -> Clock:
        """The time that rules here: what `:now` is."""

    @property
    def exclusive(self) -> bool:
        """Whether only one process may perform a box at a time."""

    @property
    def failure(self) -> str | None:
        """Why this process must stop and be started anew, None while there is no reason."""

    @property
    def key_file(self) -> Path:
        """Where the key of what is encrypted in it is kept, unless a setting says otherwise."""

    def when_failed(self, callback: Callable[[], object]) -> None:
        """Have this called once when `failure` comes to be, from any thread; at once when it is there."""

    def write(self, make: Make[T]) -> T:
        """Run one operation in a durable transaction; returns after the commit.

        Raises StorageUnavailable when nothing was stored, or whatever the operation raised.
        """

    def write_all(self, makes: Sequence[Make[Any]]) -> list[Any]:
        """Run operations in one durable transaction: for each its value, or the error it raised.

        An operation that raises is undone alone. When the transaction fails, every one fails. An operation may be made
        and run more than once until the commit succeeds.
        """

    def read(self, make: Make[T]) -> T:
        """Run an operation that only reads, in one snapshot. Blocks. The operation may be made more than once."""

    async def fetch(self, make: Make[T]) -> T:
        """Read for a caller on an event loop."""

    def open_writer(self, *, queue_limit: int = QUEUE_LIMIT) -> Writer:
        """Return a writer on this database; `queue_limit` operations may wait."""

    def seat(self, name: str) -> Seat:
        """Return the seat of a performer, not yet taken; raises StorageUnavailable."""

    def wake(self, name: str) -> None:
        """Tell the performers of this name, in whatever process, that something was committed.

        Never waits, never fails, and comes from any thread; a hint that may be lost.
        """

    def listen(self, name: str, callback: Callable[[], None]) -> AbstractContextManager[None]:
        """Have `callback` called on this event loop for every wake; never fails."""

    def lock_migrations(self) -> Operation[None]:
        """As the first steps of a transaction: let no other process migrate until its end."""

    def scrub(self, table: str, *, whatever_size: bool = False) -> bool:
        """Write files again, without what was deleted or replaced in a table; returns whether it was done. Blocks.

        Not where that would take long, unless it is to be done whatever its size. Raises StorageUnavailable.
        """

    def check_usable(self) -> None:
        """Raise StorageUnavailable when this process can do nothing with it: closed, failed, or its parent's."""

    def close(self) -> None:
        """Give back all that this process holds of it."""
