"""Databases in every state that is well, made by the house's own operations, and words to damage and audit them."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import pytest

from ombud.admin.audit import Report, audit
from ombud.cli.audit import run_audit
from ombud.client import OrderStatus
from ombud.db.database import Database
from ombud.db.migrate import migrate
from ombud.db.operation import Operation, Row, Statement
from ombud.mailbox import lease as leases
from ombud.mailbox.model import Dead, Delivery, Done, Draft, Fault, Interrupted, Lane, Loaded, Outcome, Retry
from ombud.receiver.documents import read_document
from ombud.receiver.findings import Look
from ombud.receiver.options import HandlerFacts
from ombud.receiver.receiver import Receiver
from ombud.receiver.registry import register_handlers
from ombud.receiver.shops import list_shops
from ombud.receiver.telling import Teller
from ombud.sender.endpoint import EndpointEdit
from ombud.sender.outbox import Event
from ombud.sender.sender import Sender
from ombud.settings import Settings
from tests.admin.post import Post, once
from tests.support.databases import Home

NAMES = ("good", "bad", "disabled", "gone", "held", "failing", "given_up", "crashed")


def make_sender(home: Home) -> None:
    """Make a sender's database, in which every state that a lane or a delivery can be in is found."""
    database = home.open()
    migrate(database, ["ombud.admin"])
    sender = Sender(database, Settings())
    post = Post(database, sender.outbox.mailbox)
    edits = [EndpointEdit(f"http://{name}.example/") for name in NAMES]
    endpoint = dict(zip(NAMES, (post.run(partial(sender.endpoints.add, edit)) for edit in edits), strict=True))
    lane = {name: endpoint[name].lane_id for name in NAMES}
    post.run(lambda: post.mailbox.pause(lane["held"]))
    post.run(lambda: sender.endpoints.change(endpoint["disabled"].id, enabled=False))
    post.run(lambda: sender.outbox.publish([Event("order.new", str(n), event_key=f"key-{n}") for n in range(12)]))
    outcomes: list[Outcome] = [Dead("Refused."), Interrupted(), Retry("Not now."), Retry("Later.", after=86_400.0)]
    fail: Outcome = Retry("500", fault=Fault.LANE)
    special = {lane["bad"]: outcomes, lane["failing"]: [fail], lane["given_up"]: [fail], lane["crashed"]: outcomes[1:2]}
    post.perform(lambda one: special.get(one.lane_id, [Done(200)])[one.event_id % len(special.get(one.lane_id, "1"))])
    post.rows("update lane set given_up_at = :now, closed_at = :now - 432000000000 where id = :id", id=lane["given_up"])
    post.run(lambda: sender.endpoints.delete(endpoint["gone"].id))
    post.run(lambda: sender.outbox.publish([Event("product.add", str(n)) for n in range(4)]))
    for _ in range(2):
        _crash(post, lane["crashed"])
    _end_late_and_replay(post, lane["good"])
    sender.close()


def _crash(post: Post, lane_id: int) -> None:
    """Have a lane's owner die, and the next one note what it is about to start, as it must from then on."""
    post.lease()
    post.die()
    lane, loaded = _lease_one(post, lane_id)
    post.run(partial(leases.note_start, lane, loaded.deliveries[0].event_id))


def _end_late_and_replay(post: Post, lane_id: int) -> None:
    """Have a try end after its lease was lost, and replay what was done."""
    post.rows("update lane set wake_at = 0 where id = :id", id=lane_id)
    lane, loaded = _lease_one(post, lane_id)
    post.rows("update lane set lease_token = 1 where id = :id", id=lane_id)
    post.settle(lane, (loaded.deliveries[0], Done(200)))
    done = post.rows("select event_id, lane_id from delivery where state = 1 and lane_id = :id limit 1", id=lane_id)
    assert post.run(lambda: post.mailbox.replay([(row["event_id"], row["lane_id"]) for row in done])) == 1
    post.wait_for_rings()


def _lease_one(post: Post, lane_id: int) -> tuple[Lane, Loaded]:
    """Lease a lane that is due, and give the others back."""
    leased = post.lease()
    for lane, _ in leased:
        if lane.id != lane_id:
            post.settle(lane)
    [found] = [one for one in leased if one[0].id == lane_id]
    return found


def make_receiver(home: Home) -> None:
    """Make a receiver's database: looks, an absence, changes done, held and pending, arrivals that were covered."""
    database = home.open()
    migrate(database, ["ombud.admin"])
    receiver = Receiver(database, Settings(token="a-token-of-tests"))
    arrivals, changes = Post(database, receiver.arrivals), Post(database, receiver.changes)
    wanted = ["order.new", "product.add", "product.update", "product.delete"]
    handlers = [HandlerFacts(name, wanted, 1.0) for name in ("ship", "left")]
    teller = Teller(receiver.changes, {facts.name: facts for facts in handlers})
    arrivals.run(lambda: register_handlers(receiver.changes, handlers))
    (shop,) = database.read(list_shops)

    def arrive(*drafts: tuple[str, str]) -> None:
        lanes = [shop.reader_lane_id]
        arrivals.run(lambda: receiver.arrivals.append([Draft(shop.id, kind, what, lanes) for kind, what in drafts]))

    def read(document: Mapping[str, Any] | None, status: OrderStatus | None = None) -> None:
        def look(delivery: Delivery) -> Done:
            found = Look(delivery, database.clock(), 2, read_document(document) if document else None, status)
            return Done(200, also=lambda: teller.record(found))

        arrivals.perform(look)

    def apply(delivery: Delivery) -> Done:
        version = json.loads(delivery.data or "")["version"]
        text = "update ledger set applied_version = :version, applied_at = :now where shop_id = :shop_id"
        return Done(also=lambda: _quietly(once(text, version=version, shop_id=delivery.shop_id)))

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


def _quietly(operation: Operation[Any]) -> Operation[None]:
    yield from operation


class UndoneError(Exception):
    """What was written is taken back; here is what the audit said of it."""

    def __init__(self, report: Report) -> None:
        super().__init__()
        self.report = report


def audit_damaged(database: Database, *statements: str, performs: bool = False) -> Report:
    """Audit what a hand has changed, in the transaction that changes it; nothing of it stays."""

    def change() -> Operation[None]:
        for statement in statements:
            rows = yield Statement(statement, f"{statement} returning 1"), {}
            assert rows, statement
        raise UndoneError((yield from audit((lambda _: performs) if database.exclusive else None)))

    with pytest.raises(UndoneError) as caught:
        database.write(change)
    return caught.value.report


def damage(home: Home, *statements: str) -> None:
    """Change rows by hand."""
    with opened(home) as database:
        for statement in statements:
            assert database.write(partial(once, f"{statement} returning 1")), statement


@contextmanager
def opened(home: Home) -> Iterator[Database]:
    """Have a database open for a while."""
    database = home.open()
    try:
        yield database
    finally:
        database.close()


def rows(database: Database, statement: str) -> list[tuple[Any, ...]]:
    """Read rows."""

    def read() -> Operation[list[tuple[Any, ...]]]:
        found: list[tuple[Any, ...]] = yield Statement(statement, statement), {}, tuple
        return found

    return database.read(read)


def audited(url: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    """Audit a database as the command does; returns the exit code and what is said of it."""
    code = run_audit(url, None, as_json=True)
    (document,) = json.loads(capsys.readouterr().out)["databases"]
    return code, document


def kinds(document: Mapping[str, Any]) -> set[str]:
    """The kinds of findings in what an audit has printed."""
    return {finding["kind"] for finding in document["findings"]}


def contents(folder: Path) -> dict[str, bytes]:
    """What the files of databases hold; the shared memory of their readers left out."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if not file.name.endswith("-shm")}


def file_rows(path: Path, statement: str) -> list[tuple[Any, ...]]:
    """Read rows of a SQLite file, past everything."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return list(connection.execute(statement))
    finally:
        connection.close()


def ended() -> Operation[list[Row]]:
    """Return some deliveries that are over."""
    return once("select event_id, lane_id from delivery where state <> 0 order by event_id limit 2")
