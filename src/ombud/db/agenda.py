"""What the operations of one commit have named to be run after all of them, and whom to tell when that is committed."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ombud.db.operation import Afterwards, Statement

log = logging.getLogger("ombud.db")

Then: TypeAlias = Callable[[list[Any], list[Any]], None]


@dataclass
class Entry:
    """What several operations want done after them, as one."""

    statement: Statement
    then: Then | None
    unless: tuple[Statement, ...] = ()
    reads: bool = False
    wanted: set[tuple[Any, ...]] = field(default_factory=set)
    gifts: list[Any] = field(default_factory=list)

    def rows(self, returned: Mapping[Statement, Sequence[tuple[Any, ...]]]) -> Sequence[tuple[Any, ...]]:
        """Return the rows to run the statement for, in an order that all processes keep.

        `returned`: what the entries before this one have.
        """
        served = {row[0] for other in self.unless for row in returned.get(other, ())}
        return sorted(row for row in self.wanted if row[0] not in served)

    def announce(self, returned: list[Any]) -> None:
        """Tell who wants to know, after the commit. What goes wrong with that is logged: the commit stands."""
        if self.then is None:
            return
        try:
            self.then(returned, self.gifts)
        except Exception:
            log.exception("what was to follow %s failed", self.statement.name)


def united(steps: Iterable[Afterwards]) -> list[Entry]:
    """Unite steps by statement and listener, in the order in which they were first named."""
    entries: dict[tuple[Statement, Then | None, tuple[Statement, ...], bool], Entry] = {}
    for step in steps:
        key = (step.statement, step.then, step.unless, step.reads)
        entry = entries.get(key)
        if entry is None:
            entry = entries[key] = Entry(*key)
        entry.wanted.update(step.rows)
        if step.gift is not None:
            entry.gifts.append(step.gift)
    return list(entries.values())
