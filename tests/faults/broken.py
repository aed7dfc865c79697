"""Deliberately broken builds, which the checker must catch. usage: python -m tests.faults.broken BUILD VERB …"""

import sys
import time
from collections.abc import Callable, Collection, Sequence

from ombud.cli.main import main
from ombud.db.groups import Answer, Waiting, deal, grouped, tell
from ombud.db.operation import Operation
from ombud.db.sqlite import SqliteDatabase
from ombud.db.writer import ThreadWriter
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import Delivery, Done, Lane, Loaded, Result

# Seconds that a commit comes too late: long enough for a kill to fall between.
DELAY_SECONDS = 0.2
# Seconds that a settle comes too late: longer than a process lives between two kills.
SETTLE_SECONDS = 15.0


def ack_before_commit() -> None:
    """Answer the writers when their rows are in the transaction, not when it is on disk."""

    def commit(self: ThreadWriter, batch: list[Waiting]) -> list[Answer]:
        groups = grouped(batch)
        database = self.database
        assert isinstance(database, SqliteDatabase)
        with database._transaction() as connection:
            results = connection.run_apart([group.make for group in groups])
            tell(deal(groups, results)[0])
            time.sleep(DELAY_SECONDS)
        return []

    ThreadWriter._commit = commit  # type: ignore[method-assign]


def settle_without_commit() -> None:
    """Hold what has been done in memory, and write it down only after a while."""
    settled: set[tuple[int, int]] = set()
    unwritten: list[tuple[float, int, Sequence[Result]]] = []
    settle, load = Mailbox.settle, Mailbox.load

    def settle_later(self: Mailbox, lane: Lane, results: Sequence[Result]) -> Operation[bool]:
        done = [result for result in results if isinstance(result.outcome, Done)]
        settled.update((lane.id, result.delivery.event_id) for result in done)
        unwritten.append((time.monotonic() + SETTLE_SECONDS, lane.id, done))
        return (yield from settle(self, lane, [result for result in results if result not in done]))

    def load_the_rest(self: Mailbox, lane: Lane, in_flight: Collection[Delivery]) -> Operation[Loaded]:
        ripe = [entry for entry in unwritten if entry[0] < time.monotonic() and entry[1] == lane.id]
        for entry in ripe:
            unwritten.remove(entry)
            yield from settle(self, lane, entry[2])
        loaded = yield from load(self, lane, in_flight)
        return Loaded([one for one in loaded.deliveries if (lane.id, one.event_id) not in settled], loaded.facts)

    Mailbox.settle = settle_later  # type: ignore[method-assign]
    Mailbox.load = load_the_rest  # type: ignore[method-assign]


BUILDS: dict[str, Callable[[], None]] = {
    "ack_before_commit": ack_before_commit,
    "settle_without_commit": settle_without_commit,
}

if __name__ == "__main__":
    BUILDS[sys.argv.pop(1)]()
    main()
