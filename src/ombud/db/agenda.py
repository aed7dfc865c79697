"""What the operations of one commit have named to be run after all of them, and whom to tell when that is committed."""

import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from ombud.db.operation import Afterwards, Statement

log = logging.getLogger("ombud.db")

Then: TypeAlias = Callable[[list[Sequence[Any]], list[Any]], None]
# Runs a statement for rows and returns the rows that come back, as tuples.
Run: TypeAlias = Callable[[Statement, Sequence[tuple[Any, ...]]], list[Any]]


class Agenda:
    """Unites the rows of `Afterwards` steps by statement and listener, in the order in which they were first named."""

    def __init__(self) -> None:
        self._steps: list[Afterwards] = []
        self._rows: dict[tuple[Statement, Then | None], set[tuple[Any, ...]]] = {}
        self._gifts: dict[tuple[Statement, Then | None], list[Any]] = {}
        self._calls: list[tuple[Then, list[Any], list[Any]]] = []

    def __bool__(self) -> bool:
        """Return whether there is anything to run."""
        return bool(self._rows)

    def add(self, step: Afterwards) -> None:
        """Note a step."""
        self._steps.append(step)
        key = (step.statement, step.then)
        self._rows.setdefault(key, set()).update(step.rows)
        if step.gift is not None:
            self._gifts.setdefault(key, []).append(step.gift)

    def join(self, other: "Agenda") -> None:
        """Note all that another one has."""
        for step in other._steps:  # noqa: SLF001 - another of its kind
            self.add(step)

    def run(self, run: Run) -> None:
        """Run every statement once, for the rows of all."""
        for (statement, then), rows in self._rows.items():
            returned = run(statement, sorted(rows)) if rows else []
            if then is not None:
                self._calls.append((then, returned, self._gifts.get((statement, then), [])))

    def announce(self) -> None:
        """Tell the listeners; after the commit. What goes wrong with one is logged: the commit stands."""
        for then, rows, gifts in self._calls:
            try:
                then(rows, gifts)
            except Exception:
                log.exception("what was committed could not be announced; it is found by the next look")
