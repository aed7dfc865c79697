"""A receiver and a shop on one virtual clock, whose process dies at any of its commits and comes back."""

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from ombud.client.budget import Budget
from ombud.client.budgets import Budgets
from ombud.db.operation import Make, Row
from ombud.db.sqlite import SqliteDatabase
from ombud.receiver.inbox import Inbox
from ombud.receiver.receiver import Receiver
from ombud.settings import Settings
from ombud.testing.shop import KEY, PretendShop, Webhook, open_shop
from ombud.testing.trial import FOR_EVER, TOKEN
from ombud.testing.work import Heard, VirtualClock, Work
from tests.truth.api import SECOND, Api

T = TypeVar("T")

# Requests that may be on their way at once: the budget's own waits are not tried here, and would take real time.
ROOM = 100_000


class PowerCutError(Exception):
    """The process is gone."""


class Mortal(Heard):
    """A writer with which the process dies: before a commit, or after it and before anybody knows."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.left = 0
        self.after = False
        self.dead = False

    async def write(self, make: Make[T]) -> T:
        if self.dead:
            raise PowerCutError
        if self.left:
            self.left -= 1
            if not self.left:
                self.dead = True
                if self.after:
                    await super().write(make)
                with self.commits:
                    self.commits.notify_all()
                raise PowerCutError
        return await super().write(make)


class World:
    """An inbox, its shop and the way of the webhooks between them."""

    def __init__(self, inbox: Inbox, shop: PretendShop, api: Api, clock: VirtualClock, chance: random.Random) -> None:
        self.inbox = inbox
        self.shop = shop
        self.api = api
        self.clock = clock
        self.chance = chance
        self.deaths = 0
        self.on_the_way: list[Webhook] = []
        # What the shop sends, and has come already.
        self.came: list[Webhook] = []
        self._settings = inbox.settings
        # Between a death and the next life nobody would answer a webhook rightly.
        self._alive = threading.Lock()
        self._live()

    def _live(self) -> None:
        path = self._settings.database_url.removeprefix("sqlite:///")
        self.receiver = receiver = Receiver(SqliteDatabase(Path(path), self.clock), self._settings)
        receiver.writer.close()
        receiver.writer = self.writer = Mortal(receiver.database)
        receiver.budgets = Budgets()
        receiver.budgets.of(KEY, lambda: Budget(1_000.0, burst=ROOM, clock=lambda: self.clock() / SECOND))
        receiver.patience_seconds = 0.0
        receiver.reconciles = False
        self.inbox.open_on(receiver)
        self.work = Work(receiver, self.writer, self.inbox, self.clock)
        self.work.start()

    def die_at(self, commits: int, *, after: bool) -> None:
        """Have the process die at a commit that is so far away."""
        self.writer.after, self.writer.left = after, commits

    def rows(self, sql: str, **values: Any) -> list[Row]:
        return self.work.rows(sql, **values)

    def enduring(self, act: Callable[[], T]) -> T:
        """Do it, and again after each death."""
        while True:
            try:
                return act()
            except (PowerCutError, CancelledError, RuntimeError):
                # Whatever it was that found the process gone.
                if not self.writer.dead:
                    raise
                self.deaths += 1
                with self._alive:
                    self._end()
                    self._live()

    def _end(self) -> None:
        try:
            self.work.stop()
        except PowerCutError:
            pass
        finally:
            self.inbox.close()

    def close(self) -> None:
        self._end()

    def send(self, event_type: str, object_id: str) -> None:
        """Bring one webhook to the inbox."""
        query = f"event_type={event_type}&{event_type.partition('.')[0]}_id={object_id}"
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": f"/hooks/{TOKEN}", "QUERY_STRING": query}
        said: list[str] = []
        with self._alive:
            list(self.inbox.wsgi(environ, lambda status, _: said.append(status)))
        assert said == ["200 OK"]

    def settle(self) -> None:
        self.enduring(lambda: self.work.settle())  # noqa: PLW0108 - the work is another one after a death

    def pass_by(self, seconds: float) -> None:
        self.enduring(lambda: self.work.pass_by(seconds))

    def reconcile(self) -> None:
        self.enduring(lambda: self.work.reconcile())  # noqa: PLW0108 - as above


@contextmanager
def open_world(inbox: Inbox, folder: Path, chance: random.Random) -> Iterator[World]:
    """Begin with a shop of three products; its own handlers are the inbox's."""
    clock = VirtualClock()
    api = Api(clock, random.Random(chance.random()))
    with open_shop(folder, clock, api.before) as shop:
        inbox.settings = replace(
            Settings(),
            database_url=f"sqlite:///{folder / 'inbox.db'}",
            token=TOKEN,
            api_key=KEY,
            api_url=shop.url,
            perform="elsewhere",
            lease_seconds=FOR_EVER,
            keep_done_days=3_650,
            keep_failed_days=3_650,
        )
        shop.client._http.headers["x-driver"] = "1"
        world = World(inbox, shop, api, clock, chance)
        world.pass_by(60)
        try:
            yield world
        finally:
            world.close()
