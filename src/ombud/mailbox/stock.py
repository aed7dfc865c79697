"""What of a lane is loaded and waits to start: one of a subject at a time, each once, up to where it was read."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ombud.mailbox.model import Delivery, Loaded

# The lane itself comes first: Slots.admits.
Admits = Callable[[Any, Delivery], bool]
START = (0, 0)
_NONE: frozenset[str] = frozenset()


class Ready:
    """What may start now: first tries, retries and replays stand in rows of their own, the oldest due first.

    Slots have a share for each kind, and what finds none must not stand before what would.
    """

    __slots__ = ("_again", "_first", "_replayed", "count")

    def __init__(self) -> None:
        self.count = 0
        # Lists, though they are taken from the front: they are short, and there are three for each lane in memory.
        self._first: list[Delivery] = []
        self._again: list[Delivery] = []
        self._replayed: list[Delivery] = []

    def __iter__(self) -> Iterator[Delivery]:
        """Iterate over all, what is live before what is replayed."""
        yield from self._first
        yield from self._again
        yield from self._replayed

    def add(self, delivery: Delivery) -> None:
        """Let a delivery stand behind what is due before it."""
        self.count += 1
        self._row_of(delivery).append(delivery)

    def add_first(self, delivery: Delivery) -> None:
        """Let a delivery stand before the others of its kind."""
        self.count += 1
        self._row_of(delivery).insert(0, delivery)

    def clear(self) -> None:
        """Forget all."""
        self.count = 0
        for row in (self._first, self._again, self._replayed):
            row.clear()

    def take(self, held: object, admits: Admits, *, replays: bool) -> Delivery | None:
        """Take the oldest that is admitted, live ones first; a replay only when those may start."""
        first, again = self._first, self._again
        if again and (not first or again[0].due_at < first[0].due_at):
            first, again = again, first
        for row in (first, again, self._replayed if replays else None):
            if row and admits(held, row[0]):
                self.count -= 1
                return row.pop(0)
        return None

    def take_probe(self, held: object, admits: Admits, failed: Sequence[str]) -> Delivery | None:
        """Take one that is admitted, of a subject that is not among these; else of the one that has failed longest ago.

        `failed`: subjects, the last one that failed last.
        """
        places = {subject: place for place, subject in enumerate(failed, 1)}
        for delivery in sorted(self, key=lambda one: places.get(one.subject, 0)):
            if admits(held, delivery):
                self.count -= 1
                self._row_of(delivery).remove(delivery)
                return delivery
        return None

    def _row_of(self, delivery: Delivery) -> list[Delivery]:
        if delivery.rank:
            return self._replayed
        return self._again if delivery.attempts else self._first


class Stock:
    """The deliveries of one lane in its owner's memory, from their load to their settle."""

    __slots__ = ("_passed", "_rewound", "_waiting", "busy", "cursor", "known", "loading", "loads", "ready", "stale")

    def __init__(self) -> None:
        self.ready = Ready()
        self.stale = False  # more may be due than was loaded
        self.cursor = START
        # By subject, what waits until the one in flight has ended.
        self._waiting: dict[str, list[Delivery]] = {}
        # The subjects of which one is in flight or ready.
        self.busy: set[str] = set()
        # Events that are loaded and not settled: a load may find them again.
        self.known: set[int] = set()
        self._passed = _NONE  # busy subjects of which something waits before the cursor
        self._rewound = False  # while a load was under way
        self.loads, self.loading = 0, False  # how many have begun, and whether the last one is under way

    @property
    def waits(self) -> bool:
        """Whether something waits to start."""
        return bool(self._waiting or self.ready.count)

    def begin(self, cursor: tuple[int, int]) -> None:
        """A load from there is under way."""
        self.loads, self.loading = self.loads + 1, True
        self.stale = self._rewound = False
        if cursor == START:
            self._passed = _NONE

    def fill(self, loaded: Loaded) -> None:
        """Take over what was loaded, each subject once, oldest due first."""
        if not self._rewound:
            self.cursor = loaded.cursor
        self._passed |= loaded.passed
        self.stale = self.stale or loaded.more
        if not loaded.passed <= self.busy:
            self.rewind()
        for delivery in loaded.deliveries:
            self.add(delivery)

    def add(self, delivery: Delivery) -> None:
        """Take over one delivery, unless it is known."""
        event_id, subject = delivery.event_id, delivery.subject
        if event_id in self.known:
            return
        self.known.add(event_id)
        if subject in self.busy:
            self._waiting.setdefault(subject, []).append(delivery)
        else:
            self.busy.add(subject)
            self.ready.add(delivery)

    def free(self, subject: str) -> None:
        """A try of that subject has ended: another one may start."""
        self.busy.discard(subject)
        if subject in self._passed:
            self.rewind()
        if queue := self._waiting.get(subject):
            self.busy.add(subject)
            self.ready.add_first(queue.pop(0))
            if not queue:
                del self._waiting[subject]

    def drop_unstarted(self, tried: Iterable[int]) -> None:
        """Forget what has not started; `tried`: the events that have."""
        for delivery in self.ready:
            self.busy.discard(delivery.subject)
        self.ready.clear()
        self._waiting.clear()
        self.known = set(tried)
        self.rewind()

    def rewind(self) -> None:
        """Read from the front again."""
        self.cursor, self.stale, self._rewound = START, True, True
