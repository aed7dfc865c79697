"""A month of a sender whose endpoints fail in every way, on virtual time: real lanes, verdicts, retries and notices.

Only the network is not real: what each endpoint answers is said by its plan.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ombud.db.operation import Operation, Row, Statement
from ombud.db.sqlite import SqliteDatabase
from ombud.mailbox.model import Delivery
from ombud.sender.answer import Answer
from ombud.sender.attempt import Wanted
from ombud.sender.deliver import Deliverer
from ombud.sender.endpoint import Endpoint, EndpointEdit
from ombud.sender.outbox import Event
from ombud.sender.sender import Sender
from ombud.sender.verdict import DeliveryFailed, Failure
from ombud.settings import Settings
from ombud.wire import OPERATIONAL_TYPES
from tests.support.virtual import SECOND, InlineWriter, VirtualLoop

HOUR, DAY = 3_600.0, 86_400.0
# What an endpoint does with a request at a time (seconds) for a subject: a status, with a Retry-After, or no answer.
Plan = Callable[[float, str], int | tuple[int, str] | None]


@dataclass
class Told:
    """A try as the endpoint saw it: when (seconds), the delivery's event and subject, how many tries before."""

    at: float
    event_id: int
    subject: str
    attempts: int
    status: int | None


@dataclass
class Member:
    """An endpoint of its own shop: how it answers, how much it hears of, and what it was told."""

    name: str
    plan: Plan
    every: float = 3 * HOUR
    orders: int = 3
    until: float = 27 * DAY
    told: list[Told] = field(default_factory=list)
    endpoint: Endpoint = None  # type: ignore[assignment]


def well(_: float, __: str) -> int:
    return 200


def down(begin: float, end: float, status: int | None = None) -> Plan:
    """Without an answer, or with that status, from one time to another."""
    return lambda at, _: status if begin <= at < end else 200


class Endpoints(Deliverer):
    """Answers in place of the network."""

    def __init__(self, month: "Month") -> None:
        super().__init__((), 10.0, vault=month.sender.vault)
        self._month = month
        self._asked: dict[bytes, Delivery] = {}

    def wanted(self, delivery: Delivery, facts: Mapping[str, Any]) -> Wanted:
        wanted = super().wanted(delivery, facts)
        self._asked[wanted.request] = delivery
        return wanted

    async def ask(self, wanted: Wanted, *_: Any, **__: Any) -> Answer:
        name = wanted.url.host.partition(".")[0]
        member, at, delivery = self._month.members[name], self._month.now, self._asked.pop(wanted.request)
        answer = member.plan(at, delivery.subject)
        status, retry_after = answer if isinstance(answer, tuple) else (answer, None)
        member.told.append(Told(at, delivery.event_id, delivery.subject, delivery.attempts, status))
        if status is None:
            raise DeliveryFailed(Failure.CONNECTION_REFUSED, port=443)
        return Answer(status, retry_after)


class Month:
    """The world: run it, then look at what became of everything."""

    def __init__(self, folder: Path, members: Sequence[Member], monkeypatch: pytest.MonkeyPatch) -> None:
        self.members = {member.name: member for member in members}
        self.loop = VirtualLoop()
        self.loop.rule(monkeypatch)
        monkeypatch.setattr("ombud.sender.sender.BACKFILL_SECONDS", 30 * DAY)
        monkeypatch.setattr("ombud.sender.sender.INTAKE_SECONDS", 30 * DAY)
        monkeypatch.setattr("ombud.sender.sender.WAITING_SECONDS", 30 * DAY)
        monkeypatch.setattr("ombud.sender.sender.WATCH_SECONDS", WATCH_SECONDS)
        self.database = SqliteDatabase(folder / "month.db", self.loop.clock)
        self.sender = Sender(self.database, Settings(keep_done_days=60, keep_failed_days=60))
        self.sender.writer.close()
        self.sender.writer = InlineWriter(self.database)
        self.sender.deliverer = Endpoints(self)
        self._acts: list[tuple[float, Callable[[], Operation[Any]]]] = []

    @property
    def now(self) -> float:
        """Seconds since the beginning."""
        return self.loop.time()

    def act(self, at: float, make: Callable[[], Operation[Any]]) -> None:
        """Have somebody do something then."""
        self._acts.append((at, make))

    def run(self, seconds: float) -> None:
        """Live that long."""
        try:
            self.loop.run_until_complete(self._live(seconds))
        finally:
            self.loop.close()

    def close(self) -> None:
        self.database.close()

    async def _live(self, seconds: float) -> None:
        for shop_id, member in enumerate(self.members.values(), 1):
            self._add(member, shop_id)
        chorus = [asyncio.create_task(self._publish(member)) for member in self.members.values()]
        chorus += [asyncio.create_task(self._do(at, make)) for at, make in self._acts]
        work = asyncio.create_task(self.sender.run())
        await asyncio.sleep(seconds)
        self.sender.stop()
        await work
        for task in chorus:
            task.cancel()
        await asyncio.gather(*chorus, return_exceptions=True)

    def _add(self, member: Member, shop_id: int) -> None:
        operational = member.name == "operator"
        edit = EndpointEdit(
            f"https://{member.name}.example/hooks", list(OPERATIONAL_TYPES) if operational else ["order.new"]
        )
        shop = 0 if operational else shop_id
        member.endpoint = self.database.write(lambda: self.sender.endpoints.add(edit, shop))

    async def _publish(self, member: Member) -> None:
        number = 0
        while member.orders and self.now < member.until:
            events = [
                Event("order.new", str(number + place), member.endpoint.shop_id) for place in range(member.orders)
            ]
            number += member.orders
            await self.sender.publish(events)
            await asyncio.sleep(member.every)

    async def _do(self, at: float, make: Callable[[], Operation[Any]]) -> None:
        await asyncio.sleep(at)
        self.database.write(make)

    # Afterwards -------------------------------------------------------------------------------------------------------

    def rows(self, text: str, **values: Any) -> list[Row]:
        """Look into the database."""

        def read() -> Operation[list[Row]]:
            return (yield Statement(text, text), values)

        return self.database.read(read)

    def states(self, name: str) -> Mapping[tuple[int, str | None], int]:
        """Return how many deliveries of an endpoint are in which state, and why."""
        found: dict[tuple[int, str | None], int] = defaultdict(int)
        for row in self.rows("select state, reason from delivery where lane_id = :id", id=self.lane(name)):
            found[row["state"], row["reason"]] += 1
        return found

    def lane(self, name: str) -> int:
        return self.members[name].endpoint.lane_id

    def notices(self, name: str) -> list[tuple[str, float, dict[str, Any]]]:
        """Return what was said of an endpoint: type, when (seconds), and more."""
        rows = self.rows("select type, created_at, data from event where type not like 'order.%' order by id")
        begin = self.loop.clock() - round(self.now * SECOND)
        said = [(row["type"], (row["created_at"] - begin) / SECOND, json.loads(row["data"])) for row in rows]
        public = self.members[name].endpoint.id
        from ombud.mailbox.ids import format_id

        return [one for one in said if one[2]["endpoint_id"] == format_id("ep", public)]


# Seconds between two looks at endpoints that fail: a minute in truth, ten here to be quick.
WATCH_SECONDS = 600.0
