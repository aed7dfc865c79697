"""Deliberately broken builds, which the checker must catch. usage: python -m tests.faults.broken BUILD VERB …"""

import sys
import time
from collections.abc import Callable

from ombud.cli.main import main
from ombud.db import writer
from ombud.db.writer import Writer

# Seconds that a commit comes too late: long enough for a kill to fall between.
DELAY_SECONDS = 0.2


def ack_before_commit() -> None:
    """Answer the writers when their rows are in the transaction, not when it is on disk."""

    def commit_until_closed(self: Writer) -> None:
        while batch := self._next_batch():
            with self.database._transaction() as connection:
                writer._answer(batch, [connection.guarded(waiting.make) for waiting in batch])
                time.sleep(DELAY_SECONDS)

    Writer._commit_until_closed = commit_until_closed  # type: ignore[method-assign]


BUILDS: dict[str, Callable[[], None]] = {"ack_before_commit": ack_before_commit}

if __name__ == "__main__":
    BUILDS[sys.argv.pop(1)]()
    main()
