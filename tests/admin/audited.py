"""Databases in every state that is well, made by the house's own operations, and words to damage and audit them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import apsw
import pytest

from ombud.cli.audit import run_audit
from ombud.client import OrderStatus
from ombud.clock import now_microseconds
from ombud.db.migrate import migrate
from ombud.db.operation import Make, Operation, Row, Statement
from ombud.db.sqlite import SqliteDatabase
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import NEVER, Dead, Delivery, Done, Draft, Interrupted, Lane, Loaded, Outcome, Result, Retry
from ombud.receiver.documents import read_document
from ombud.receiver.handlers import HandlerFacts
from ombud.receiver.receiver import Receiver
from ombud.receiver.registry import register_handlers
from ombud.receiver.shops import list_shops
from ombud.receiver.telling import Look, Teller
from ombud.sender.endpoints import EndpointEdit
from ombud.sender.outbox import Event
from ombud.sender.sender import Sender
from ombud.settings import Settings

T = TypeVar("T")

REPLAY = Statement(
    "replay",
    "update delivery set state = 0, generation = generation + 1, attempts = 0, reason = null, due_at = :now"
    " where state <> 0 and event_id = :event_id and lane_id = :lane_id",
)
HOLD = Statement("hold", "update lane set hold_until = :until, wake_at = :until where id = :lane_id")

Outcomes = Callable[[Delivery], Outcome]


def once(statement: Statement, **values: Any) -> Operation[list[Row]]:
    rows: list[Row] = yield statement, values
    return rows


@dataclass
class Post:
    """A mailbox that is performed by hand."""

    database: SqliteDatabase
    mailbox: Mailbox

    def run(self, make: Make[T]) -> T:
        return self.database.write(make)

    def lease(self, lanes: int = 100) -> list[tuple[Lane, Loaded]]:
        """Take and load what is due, and give back the lanes in which nothing is."""

        def turn() -> Operation[list[tuple[Lane, Loaded]]]:
            taken = []
            for lane in (yield from self.mailbox.lease(lanes)):
                loaded = yield from self.mailbox.load(lane, ())
                if loaded.deliveries:
                    taken.append((lane, loaded))
                else:
                    yield from self.mailbox.release(lane, 1, 0)
            return taken

        return self.run(turn)

    def settle(self, lane: Lane, *results: tuple[Delivery, Outcome], release: bool = True) -> None:
        """End tries, and give the lane back."""
        made = [Result(delivery, self.mailbox.clock(), 3, outcome) for delivery, outcome in results]

        def turn() -> Operation[None]:
            if (yield from self.mailbox.settle(lane, made)) and release:
                yield from self.mailbox.release(lane, 1, 0)

        self.run(turn)

    def perform(self, outcome: Outcomes) -> None:
        """Perform whatever is due, once."""
        for lane, loaded in self.lease():
            self.settle(lane, *((delivery, outcome(delivery)) for delivery in loaded.deliveries))


def make_sender(path: Path) -> None:
    """Make a sender's database: done, dead, skipped, pending, in backoff, held, leased, late and replayed."""
    database = SqliteDatabase(path)
    migrate(database, ["ombud.admin"])
    sender = Sender(database, Settings())
    post = Post(database, sender.outbox.mailbox)
    names = ("good", "bad", "closed", "gone", "held")
    edits = [EndpointEdit(f"http://{name}.example/") for name in names]
    endpoint = dict(zip(names, (post.run(partial(sender.endpoints.add, edit)) for edit in edits), strict=True))
    post.run(lambda: once(HOLD, lane_id=endpoint["held"].lane_id, until=NEVER))
    post.run(lambda: sender.endpoints.change(endpoint["closed"].id, enabled=False))
    post.run(lambda: sender.outbox.publish([Event("order.new", str(n), event_key=f"key-{n}") for n in range(12)]))
    bad = endpoint["bad"].lane_id
    outcomes: list[Outcome] = [Dead("Refused."), Interrupted(), Retry("Not now."), Retry("Later.", after=86_400.0)]
    post.perform(lambda one: outcomes[one.event_id % 4] if one.lane_id == bad else Done(200))
    post.run(lambda: sender.endpoints.delete(endpoint["gone"].id))
    post.run(lambda: sender.outbox.publish([Event("product.add", str(n)) for n in range(4)]))
    (lane, loaded), *_ = post.lease(1)
    post.run(lambda: once(Statement("steal", "update lane set lease_token = 1 where id = :lane_id"), lane_id=lane.id))
    post.settle(lane, (loaded.deliveries[0], Done(200)))
    done = post.run(lambda: once(Statement("done", "select event_id, lane_id from delivery where state = 1 limit 1")))
    post.run(lambda: once(REPLAY, now=now_microseconds(), **done[0]))
    post.run(lambda: post.mailbox.ring(done[0]["lane_id"]))
    sender.close()


def make_receiver(path: Path) -> None:
    """Make a receiver's database: looks, an absence, changes done, held and pending, arrivals that were covered."""
    database = SqliteDatabase(path)
    migrate(database, ["ombud.admin"])
    receiver = Receiver(database, Settings(token="a-token-of-tests"))
    arrivals, changes = Post(database, receiver.arrivals), Post(database, receiver.changes)
    wanted = ["order.new", "product.add", "product.update", "product.delete"]
    handlers = [HandlerFacts(name, wanted, 1.0) for name in ("ship", "left")]
    teller = Teller(receiver.changes, {facts.name: facts.event_types for facts in handlers})
    arrivals.run(lambda: register_handlers(receiver.changes, handlers))
    (shop,) = database.read(list_shops)

    def arrive(*drafts: tuple[str, str]) -> None:
        lanes = [shop.reader_lane_id]
        arrivals.run(lambda: receiver.arrivals.append([Draft(shop.id, kind, what, lanes) for kind, what in drafts]))

    def read(document: Mapping[str, Any] | None, status: OrderStatus | None = None) -> None:
        def look(delivery: Delivery) -> Done:
            found = Look(delivery, now_microseconds(), 2, read_document(document) if document else None, status)
            return Done(200, also=lambda: teller.record(found))

        arrivals.perform(look)

    def apply(delivery: Delivery) -> Done:
        values = {"version": json.loads(delivery.data or "")["version"], "now": now_microseconds()}
        statement = Statement("apply", "update ledger set applied_version = :version, applied_at = :now")
        return Done(also=lambda: _nothing(statement, values))

    arrive(("order.new", "order/1"), ("order.new", "order/1"), ("order.done", "order/1"))
    read({"id": 1, "status": "paid"}, OrderStatus.PAID)
    arrive(("product.add", "product/7"))
    read({"id": 7, "price": "10"})
    changes.perform(apply)
    arrive(("product.update", "product/7"))
    read({"id": 7, "price": "12"})
    arrivals.run(lambda: register_handlers(receiver.changes, handlers[:1]))
    arrive(("product.delete", "product/8"))
    read(None)
    arrive(("product.update", "product/9"))
    arrivals.run(lambda: receiver.arrivals.append([Draft(shop.id, "malformed", "", [], "no event_type: a=b")]))
    receiver.close()


def _nothing(statement: Statement, values: Mapping[str, Any]) -> Operation[None]:
    yield statement, values


def damage(path: Path, *statements: str) -> None:
    """Change rows by hand."""
    connection = apsw.Connection(str(path))
    for statement in statements:
        connection.execute(statement)
        assert connection.changes(), statement
    connection.close()


def rows(path: Path, statement: str) -> list[tuple[Any, ...]]:
    """Read rows, past everything."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return list(connection.execute(statement))
    finally:
        connection.close()


def audited(path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    """Audit a database as the command does; returns the exit code and what is said of it."""
    code = run_audit(f"sqlite:///{path}", None, as_json=True)
    (document,) = json.loads(capsys.readouterr().out)["databases"]
    return code, document


def kinds(document: Mapping[str, Any]) -> set[str]:
    return {finding["kind"] for finding in document["findings"]}


def contents(folder: Path) -> dict[str, bytes]:
    """What the files of databases hold; the shared memory of their readers left out."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if not file.name.endswith("-shm")}


def ended() -> Operation[list[Row]]:
    """Return some deliveries that are over."""
    return once(Statement("ended", "select event_id, lane_id from delivery where state <> 0 order by event_id limit 2"))
