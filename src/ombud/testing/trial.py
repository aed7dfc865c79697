"""A trial: a pretend shop, an inbox on a database of its own, and everything between them in a test's hands."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ombud.client.budgets import Budgets
from ombud.db.sqlite import SqliteDatabase
from ombud.errors import ConfigurationError
from ombud.mailbox.model import State
from ombud.receiver.inbox import Inbox
from ombud.receiver.receiver import Receiver
from ombud.settings import Settings
from ombud.testing.crashes import CrashReport, Point, compare
from ombud.testing.outside import Effect, Outside
from ombud.testing.shop import KEY, PretendShop, Webhook, open_shop
from ombud.testing.work import Heard, VirtualClock, Work

TOKEN = "token-of-a-trial"  # noqa: S105 - it opens a trial and nothing else
# Steps of one handler: a handler with more awaits than this loops over something that a test should have less of.
MOST_STEPS = 500
# Seconds after the first look: what is said earlier may be what the first look has found.
AFTER_THE_FIRST_LOOK = 60.0
# Seconds; ten years: no lease and no day ends because the clock was moved.
FOR_EVER = 315_360_000.0


@dataclass(frozen=True)
class Run:
    """A run of a handler: `state` is pending, done, dead or skipped."""

    handler: str
    event_type: str
    subject: str
    state: str
    attempts: int
    reason: str | None


class Trial:
    """What a test does with a shop and an inbox. Its methods block, also in an async test."""

    def __init__(self, inbox: Inbox, shop: PretendShop, work: Work, clock: VirtualClock) -> None:
        self.inbox = inbox
        self.shop = shop
        self.effects: list[Effect] = []
        self._work = work
        self._clock = clock
        self._outsides: list[Outside] = []

    # The way of webhooks ----------------------------------------------------------------------------------------------

    def deliver(self, times: int = 1, *, newest_first: bool = False) -> list[Webhook]:
        """Deliver what the shop has sent since this, or `lose`, was called last, each so many times; returns it."""
        sent = self.shop.sent()
        for webhook in reversed(sent) if newest_first else sent:
            self.send(webhook.event_type, webhook.object_id, times)
        return sent

    def lose(self) -> list[Webhook]:
        """Let what the shop has sent since the last `deliver` or `lose` get lost; returns what it was."""
        return self.shop.sent()

    def send(self, event_type: str, object_id: str, times: int = 1) -> None:
        """Send a webhook that the shop may never have sent: a forgery, or a late repetition."""
        query = f"event_type={event_type}&{event_type.partition('.')[0]}_id={object_id}"
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": f"/hooks/{TOKEN}", "QUERY_STRING": query}
        said: list[str] = []
        for _ in range(times):
            list(self.inbox.wsgi(dict(environ), lambda status, _: said.append(status)))
        if said != ["200 OK"] * times:
            raise AssertionError(f"The inbox has answered {said} to {query}")
        self._work.ring()

    def reconcile(self) -> None:
        """Have the inbox compare the shop's lists with what it knows, as it does from time to time: what was lost."""
        self._work.reconcile()

    def settle(self) -> None:
        """Wait until nothing is left to do. Retries and spans of quiet pass at once: the clock moves."""
        self._work.settle()

    def pass_by(self, seconds: float) -> None:
        """Let time pass, and what is due then be done."""
        self._work.pass_by(seconds)

    @property
    def runs(self) -> list[Run]:
        """Every run that was to be made so far, oldest first."""
        rows = self._work.rows(
            "select h.name as handler, e.type as event_type, e.subject, d.state, d.attempts, d.reason from event e"
            " join delivery d on d.day = e.day and d.event_id = e.id join lane l on l.id = d.lane_id"
            " join handler h on h.id = l.destination_id where e.box = 3 order by e.id"
        )
        return [Run(**{**row, "state": State(row["state"]).name.lower()}) for row in rows]

    # What handlers do to others ---------------------------------------------------------------------------------------

    def outside(
        self,
        name: str,
        *,
        plain: bool = False,
        returns: Mapping[str, Any] | None = None,
        repeatable: Collection[str] = (),
    ) -> Outside:
        """Return a stand-in for another system: put it where the app has its client. What it is asked is in `effects`.

        `repeatable`: methods that do no harm when they are called again, such as one that sets a stock.
        """
        made = Outside(name, self.effects.append, plain=plain, returns=returns, repeatable=repeatable)
        self._outsides.append(made)
        return made

    def crash_everywhere(
        self, handler: str | Callable[..., Any], change: Callable[[], object] | None = None
    ) -> CrashReport:
        """Kill a handler at each of its awaits, run it again, and compare what it has done to the outside by `ctx.key`.

        A plain function is killed before and after each call to an outside. `change` does to the shop what makes the
        handler run; without one it is what the first of its event types says. Raises AssertionError with a line for
        each place at which dying changes the end.
        """
        name = self._name_of(handler)
        change = change or (lambda: self._usual_change(name))
        calm, _ = self._observe(name, change, 0)
        points: list[Point] = []
        for number in range(1, MOST_STEPS + 1):
            killed, where = self._observe(name, change, number)
            if where is None:
                break
            repeatable = frozenset(name for outside in self._outsides for name in outside.repeatable)
            points.append(Point(number, where, compare(calm, killed, repeatable)))
        if not points:
            raise AssertionError(f"{name} awaits nothing and reaches no outside: there is no place to kill it at.")
        report = CrashReport(name, points)
        if report.problems:
            raise AssertionError(str(report))
        return report

    def _observe(self, name: str, change: Callable[[], object], kill_at: int) -> tuple[list[Effect], str | None]:
        """Return what one change has made of the outside, and where the handler was killed, if it was."""
        runner = self._work.runner
        assert runner is not None
        self.settle()
        effects, runs, lives = len(self.effects), len(self.runs), len(runner.lives)
        runner.kill = (name, kill_at) if kill_at else None
        change()
        self.deliver()
        self.settle()
        runner.kill = None
        made = [run for run in self.runs[runs:] if run.handler == name]
        if not any(run.state in ("done", "skipped") for run in made) or any(run.state == "dead" for run in made):
            raise AssertionError(f"{name} has not finished what the change was about: {made}")
        killed = [life.killed_at for life in runner.lives[lives:] if life.killed_at is not None]
        mine = [effect for effect in self.effects[effects:] if effect.handler == name]
        return mine, killed[0] if killed else None

    def _name_of(self, handler: str | Callable[..., Any]) -> str:
        found = [one.name for one in self.inbox.handlers.values() if handler in (one.name, one.function)]
        if not found:
            raise ConfigurationError(f"The inbox has no handler {handler!r}. It has: {', '.join(self.inbox.handlers)}.")
        return found[0]

    def _usual_change(self, name: str) -> None:
        shop = self.shop
        match self.inbox.handlers[name].said.event_types[0]:
            case "order.new":
                shop.pay()
            case "order.done":
                shop.turn(shop.pay(), "done")
            case "order.cancelled":
                shop.turn(shop.pay(), "cancelled")
            case "product.update":
                shop.change("101", price=str(1 + len(self.runs)))
            case "product.add":
                shop.add()
            case _:
                product_id = shop.add()
                self.deliver()
                self.settle()
                shop.delete(product_id)


@contextmanager
def open_trial(inbox: Inbox, folder: Path) -> Iterator[Trial]:
    """Try an inbox on a database in that folder, against a pretend shop; its own settings come back at the end.

    Its retries and limits are its own. Raises ConfigurationError for handlers that cannot start.
    """
    clock, settings = VirtualClock(), inbox.settings
    with open_shop(folder, clock) as shop:
        path = folder / "inbox.db"
        inbox.close()
        inbox.settings = _settings(settings, f"sqlite:///{path}", shop.url)
        receiver = Receiver(SqliteDatabase(path, clock), inbox.settings)
        receiver.writer.close()
        receiver.writer = writer = Heard(receiver.database)
        receiver.budgets = Budgets()
        receiver.reconciles = False
        inbox.open_on(receiver)
        work = Work(receiver, writer, inbox, clock)
        try:
            work.start()
            work.pass_by(AFTER_THE_FIRST_LOOK)
            yield Trial(inbox, shop, work, clock)
        finally:
            try:
                work.stop()
            finally:
                inbox.close()
                inbox.settings = settings


def _settings(settings: Settings, database_url: str, api_url: str) -> Settings:
    return replace(
        settings,
        database_url=database_url,
        token=TOKEN,
        api_key=KEY,
        api_url=api_url,
        perform="elsewhere",
        reads_per_second=1_000.0,
        quiet_seconds=(0.0, 0.0),
        absence_gap_seconds=0.02,
        lease_seconds=FOR_EVER,
        keep_done_days=3_650,
        keep_failed_days=3_650,
    )
