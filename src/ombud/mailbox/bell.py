"""The bell of a process that performs: its appends hand idle lanes over, and say where there is more to do."""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from ombud.db.operation import Row
from ombud.mailbox.lease import new_token
from ombud.mailbox.ring import Appended, Hold

log = logging.getLogger("ombud.mailbox")


class Heard(NamedTuple):
    """Rows of the lanes that were taken with a commit, what was committed for all lanes, and by lane where it leads.

    `kept`: the lanes that were owned before, and still are.
    """

    taken: Sequence[tuple[Any, ...]]
    gifts: Sequence[Sequence[Appended]]
    facts: Mapping[int, Row]
    kept: Collection[int] = ()


class WorkerBell:
    """Carries what was committed from any thread to the worker's event loop, in the order of the commits."""

    def __init__(
        self, hear: Callable[[Heard], None], has_room: Callable[[], bool], hold_of: Callable[[int], Hold | None]
    ) -> None:
        """`hear` is called on the loop that this is made on; the others are asked from any thread."""
        self._loop = asyncio.get_running_loop()
        self._hear = hear
        self._has_room = has_room
        self._hold_of = hold_of
        # Two threads that commit may announce at once.
        self._lock = threading.Lock()
        self._taken: list[tuple[Any, ...]] = []
        self._kept: set[int] = set()
        self._facts: dict[int, Row] = {}
        self._heard: deque[Heard] = deque()

    def take(self) -> int | None:
        """Return a token to lease with, while the worker has room for what an append brings."""
        return new_token() if self._has_room() else None

    def hold_of(self, lane_id: int) -> Hold | None:
        """Return how the worker owns the lane, where that is on record."""
        return self._hold_of(lane_id)

    def taken(self, lanes: list[tuple[Any, ...]], _gifts: list[Any]) -> None:
        """Keep the lanes that an append has leased until `rung` says what it has appended."""
        with self._lock:
            self._taken += lanes

    def kept(self, lanes: list[tuple[Any, ...]], _gifts: list[Any]) -> None:
        """Keep which lanes are owned still until `rung`."""
        with self._lock:
            self._kept.update(lane_id for (lane_id,) in lanes)

    def learned(self, facts: list[Row], _gifts: list[Any]) -> None:
        """Keep what was read of lanes until `rung`."""
        with self._lock:
            self._facts.update({row["lane_id"]: row for row in facts})

    def rung(self, _lanes: list[tuple[Any, ...]], gifts: list[Sequence[Appended]]) -> None:
        """Tell the worker."""
        with self._lock:
            taken, self._taken = self._taken, []
            kept, self._kept = self._kept, set()
            facts, self._facts = self._facts, {}
            first = not self._heard
            self._heard.append(Heard(taken, gifts, facts, kept))
        if first:
            try:
                self._loop.call_soon_threadsafe(self.deliver)
            except RuntimeError:
                log.warning("an event loop has ended with lanes in its hands; they are free when their lease ends")

    def deliver(self) -> None:
        """Have the worker hear all that was said until now. On its loop."""
        while True:
            with self._lock:
                if not self._heard:
                    return
                # It stays in the queue until the next is looked for, so that whoever adds one knows it will be.
                heard = self._heard[0]
            try:
                self._hear(heard)
            except Exception:
                log.exception("what was committed was not heard; it is found by the next look")
            with self._lock:
                self._heard.popleft()

    def tell(self, hear: Callable[[Heard], None]) -> None:
        """From now on let somebody else hear it."""
        self._hear = hear
