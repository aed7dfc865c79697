"""A mailbox that is performed by hand: what a worker does, one transaction at a time."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ombud.db.database import Database
from ombud.db.operation import Afterwards, Make, Operation, Row, Statement
from ombud.mailbox import lease as leases
from ombud.mailbox import retention
from ombud.mailbox.health import after_try
from ombud.mailbox.mailbox import Mailbox, sql
from ombud.mailbox.model import Ages, Delivery, Health, Lane, Loaded, Outcome, Result
from ombud.mailbox.settle import settle
from ombud.mailbox.turn import take_turn
from tests.support.processes import PATIENCE_SECONDS

T = TypeVar("T")

Outcomes = Callable[[Delivery], Outcome]


def once(text: str, **values: Any) -> Operation[list[Row]]:
    """Run one statement."""
    rows: list[Row] = yield Statement(text, text), values
    return rows


@dataclass
class Post:
    """A mailbox, and its owner's words."""

    database: Database
    mailbox: Mailbox

    def run(self, make: Make[T]) -> T:
        """Run an operation in a transaction of its own."""
        return self.database.write(make)

    def rows(self, text: str, **values: Any) -> list[Row]:
        """Run a statement in a transaction of its own."""
        return self.run(lambda: once(text, **values))

    def lease(self, lanes: int = 100) -> list[tuple[Lane, Loaded]]:
        """Take and load what is due; lanes in which nothing is are given back."""
        self.wait_for_rings()
        return self.run(lambda: take_turn(self.mailbox, (), lanes)).leased

    def settle(self, lane: Lane, *ended: tuple[Delivery, Outcome], release: bool = True) -> Lane:
        """End tries, and give the lane back; returns how the lane is then."""
        results = [self._result(lane, delivery, outcome) for delivery, outcome in ended]
        health = self._after(lane, results)

        def turn() -> Operation[None]:
            owned = set((yield from leases.fence([lane])))
            yield from settle(self.mailbox, results, owned)
            yield from leases.keep_health([(lane, health, lane.crashes)])
            if release:
                yield from leases.release([(lane, health)])

        self.run(turn)
        return lane._replace(health=health)

    def perform(self, outcome: Outcomes) -> None:
        """Perform whatever is due, once."""
        for lane, loaded in self.lease():
            self.settle(lane, *((delivery, outcome(delivery)) for delivery in loaded.deliveries))

    def die(self) -> None:
        """Lose all leases, as when their owner is killed; they are free to be taken from now on."""
        self.rows("update lane set wake_at = :now where lease_token is not null")

    def wait_for_rings(self) -> None:
        """Return when all is done that follows the commits until now; on SQLite it is part of them."""
        done = threading.Event()

        def follow() -> Operation[None]:
            yield Afterwards(sql["ring_lanes"], [(0,)], lambda *_: done.set())

        self.run(follow)
        assert done.wait(PATIENCE_SECONDS)

    def _result(self, lane: Lane, delivery: Delivery, outcome: Outcome) -> Result:
        now = self.mailbox.clock()
        return Result(delivery, now, 3, outcome, lane.health.open_time(now))

    def _after(self, lane: Lane, results: Sequence[Result]) -> Health:
        health = lane.health
        for result in results:
            health = after_try(health, result, self.mailbox.clock(), self.mailbox.policy.care, 0.5)
        return health


class Janitor:
    """The end of days by hand: each step is one transaction, and others may come between any two."""

    def __init__(self, post: Post, ages: Ages) -> None:
        self._post = post
        self._ages = ages

    @property
    def now(self) -> int:
        return self._post.database.clock()

    def old_days(self) -> list[int]:
        """Days that are to go."""
        return self._post.database.read(lambda: retention.old_days(self.now, self._ages))

    def open(self) -> None:
        """Open today."""
        self._post.run(lambda: retention.open_days(self.now))

    def move(self, day: int) -> None:
        """Copy forward what outlives a day."""
        kept = self._post.database.read(lambda: retention.kept_of(day, self._ages, self.now))
        if kept:
            self._post.run(lambda: retention.move(day, kept))

    def delete(self, day: int) -> None:
        """Delete what does not."""
        self._post.run(lambda: retention.delete_step(day, self._ages, self.now))

    def drop(self, day: int) -> None:
        """Drop it, if nothing in it is alive."""
        self._post.run(lambda: retention.drop(day, self._ages, self.now))

    def delete_keys(self, _day: int) -> None:
        """Delete the keys of what is gone."""
        self._post.run(lambda: retention.delete_event_keys(0))
