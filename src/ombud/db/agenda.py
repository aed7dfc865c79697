"""What the operations of one commit have named to be run after all of them, and whom to tell when that is committed."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ombud.db.operation import Afterwards, Statement

log = logging.getLogger("ombud.db")

Then: TypeAlias = Callable[[list[tuple[Any, ...]], list[Any]], None]


@dataclass
class Entry:
    """What several operations want done after them, as one."""

    statement: Statement
    then: Then | None
    wanted: set[tuple[Any, ...]] = field(default_factory=set)
    gifts: list[Any] = field(default_factory=list)

    @property
    def rows(self) -> Sequence[tuple[Any, ...]]:
        """The rows to run the statement for, in an order that all processes keep."""
        return sorted(self.wanted)

    def announce(self, returned: list[tuple[Any, ...]]) -> None:
        """Tell who wants to know, after the commit. What goes wrong with that is logged: the commit stands."""
        if self.then is None:
            return
        try:
            self.then(returned, self.gifts)
        except Exception:
            log.exception("what was to follow %s failed", self.statement.name)


def united(steps: Iterable[Afterwards]) -> list[Entry]:
    """Unite steps by statement and listener, in the order in which they were first named."""
    entries: dict[tuple[Statement, Then | None], Entry] = {}
    for step in steps:
        entry = entries.setdefault((step.statement, step.then), Entry(step.statement, step.then))
        entry.wanted.update(step.rows)
        if step.gift is not None:
            entry.gifts.append(step.gift)
    return list(entries.values())
