"""The receiver of a trial at work, in a thread with a loop of its own, on a clock that can be moved."""

import asyncio
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from ombud.clock import now_microseconds
from ombud.db.operation import Make, Operation, Row, Statement
from ombud.db.writer import ThreadWriter
from ombud.mailbox.model import NEVER
from ombud.receiver.receiver import Receiver
from ombud.receiver.router import Router
from ombud.testing.runner import TrialRunner

T = TypeVar("T")

# Real seconds between two looks at what other threads may have written.
LOOK_SECONDS = 0.05
# Real seconds after which a trial takes what does not end for a handler that hangs.
PATIENCE_SECONDS = 30.0

_WAITING = Statement(
    "waiting",
    "select d.lane_id, d.subject, l.box, max(d.due_at, l.hold_until) as due_at from delivery d"
    " join lane l on l.id = d.lane_id where d.state = 0 and l.hold_until < :never order by 4",
)


class VirtualClock:
    """A clock that begins with the machine's time and stands still until it is moved; it only tells its readings apart.

    UTC microseconds.
    """

    def __init__(self) -> None:
        self._now = now_microseconds()
        self._lock = threading.Lock()

    def __call__(self) -> int:
        """Return the time: a microsecond more than last time."""
        return self.move(1)

    def move(self, microseconds: int) -> int:
        """Move it on; returns the time then."""
        with self._lock:
            self._now += microseconds
            return self._now


class Heard(ThreadWriter):
    """A writer after whose commits somebody may look."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.commits = threading.Condition()

    async def write(self, make: Make[T]) -> T:
        """Write, and say so."""
        try:
            return await super().write(make)
        finally:
            with self.commits:
                self.commits.notify_all()


class Work:
    """One receiver at work until `stop`."""

    def __init__(self, receiver: Receiver, writer: Heard, router: Router, clock: VirtualClock) -> None:
        self._receiver = receiver
        self._writer = writer
        self._router = router
        self._clock = clock
        self._failed: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running = threading.Event()
        self.runner: TrialRunner | None = None
        self._thread = threading.Thread(target=self._work, name="ombud-trial", daemon=True)

    def start(self) -> None:
        """Begin, and wait until the handlers are known and the shop had its first look."""
        self._thread.start()
        self._running.wait()
        self.until(lambda: not self.rows("select 1 from inbox_shop where baseline_at is null"), "the first look")
        self.until(lambda: len(self.rows("select 1 from handler where active = 1")) == len(self._router.handlers), "")

    def stop(self) -> None:
        """End; raises what has ended the work before."""
        assert self._loop is not None
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._receiver.stop)
        self._thread.join(PATIENCE_SECONDS)
        self._raise()

    def rows(self, sql: str, **values: Any) -> list[Row]:
        """Return rows of the inbox's database."""
        return self._receiver.database.read(lambda: _once(Statement("trial", sql), values))

    def until(self, check: Callable[[], object], what: str, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Wait until something is so; looks after every commit, and calls `meanwhile` when none comes.

        Raises TimeoutError naming what it has waited for.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        with self._writer.commits:
            while not check():
                self._raise()
                # Other threads may commit as well: what they have written is seen with the next look.
                if not self._writer.commits.wait(LOOK_SECONDS):
                    meanwhile()
                if time.monotonic() > deadline:
                    raise TimeoutError(f"A trial waits for {what or 'its start'} since {PATIENCE_SECONDS:g} seconds.")

    def reconcile(self) -> None:
        """Have every list of the shop compared with what is known."""
        assert self._loop is not None
        comparing = self._receiver.reconcile()
        try:
            asyncio.run_coroutine_threadsafe(comparing, self._loop).result(PATIENCE_SECONDS)
        finally:
            comparing.close()
            self._raise()

    def settle(self) -> None:
        """Wait until nothing is due, moving the clock to what is due later, until nothing waits at all."""
        while True:
            self._until_nothing_is_due()
            waiting = self._waiting()
            if not waiting:
                return
            self._clock.move(max(0, waiting[0]["due_at"] - self._clock()))
            self.ring()

    def pass_by(self, seconds: float) -> None:
        """Wait until nothing is due, move the clock, and wait until nothing is due then."""
        self._until_nothing_is_due()
        self._clock.move(round(seconds * 1_000_000))
        self.ring()
        self._until_nothing_is_due()

    def ring(self) -> None:
        """Have every lane with work looked at."""
        waiting = self._waiting()
        receiver = self._receiver
        for mailbox in (receiver.arrivals, receiver.changes):
            lanes = {row["lane_id"] for row in waiting if row["box"] == mailbox.box}
            if lanes:
                receiver.database.write(partial(mailbox.ring, *lanes))

    def _until_nothing_is_due(self) -> None:
        # The owner of a lane sleeps by the machine's clock, whatever became due by this one.
        self.until(lambda: not self._due(), "what is due: does a handler hang?", self.ring)

    def _due(self) -> list[Row]:
        now = self._clock()
        return [row for row in self._waiting() if row["due_at"] <= now]

    def _waiting(self) -> list[Row]:
        return self._receiver.database.read(lambda: _once(_WAITING, {"never": NEVER}))

    def _raise(self) -> None:
        if self._failed is not None:
            raise self._failed

    def _work(self) -> None:
        try:
            asyncio.run(self._run())
        except BaseException as error:  # noqa: BLE001 - the test raises it
            self._failed = error
            self._running.set()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.runner = TrialRunner(self._router)
        facts = [handler.facts for handler in self._router.handlers.values()]
        self._running.set()
        try:
            await self._receiver.run(facts, self.runner, retired=self._router.all_retired)
        finally:
            self.runner.bury()


def _once(statement: Statement, values: dict[str, Any]) -> Operation[list[Row]]:
    rows: list[Row] = yield statement, values
    return rows
