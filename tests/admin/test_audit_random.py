"""Whatever the house's own operations do, in whatever order, the audit has nothing to say."""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.strategies import booleans, integers, lists, sampled_from

from ombud.admin.audit import audit
from ombud.db.sqlite import SqliteDatabase
from ombud.mailbox.model import NEVER, Dead, Delivery, Done, Fault, Interrupted, Lane, Outcome, Retry, Skip
from ombud.sender.endpoints import Endpoint, EndpointEdit
from ombud.sender.outbox import Event
from ombud.sender.sender import Sender
from ombud.settings import Settings
from tests.admin.audited import HOLD, REPLAY, Post, ended, once
from tests.mailbox.office import StoppedClock

OUTCOMES: Sequence[Callable[[], Outcome]] = [
    lambda: Done(200),
    lambda: Retry("500"),
    lambda: Retry("429", after=3_600.0, fault=Fault.LANE),
    lambda: Dead("410"),
    lambda: Skip("nothing to do"),
    Interrupted,
]


class Life(RuleBasedStateMachine):
    """A sender, a performer that may die, and people who change their minds."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.clock = StoppedClock()
        self.database = SqliteDatabase(self.folder / "ombud.db")
        self.sender = Sender(self.database, Settings(retry_seconds=(0.2, 5.0)), self.clock)
        self.post = Post(self.database, self.sender.outbox.mailbox)
        self.endpoints: list[Endpoint] = []
        self.held: list[tuple[Lane, list[Delivery]]] = []
        self.add_endpoint(1)
        self.add_endpoint(2)

    @rule(shop_id=integers(0, 2))
    def add_endpoint(self, shop_id: int) -> None:
        edit = EndpointEdit("http://example.com/")
        self.endpoints.append(self.post.run(lambda: self.sender.endpoints.add(edit, shop_id)))

    @rule(shops=lists(integers(1, 2), min_size=1, max_size=4), key=booleans())
    def publish(self, shops: list[int], *, key: bool) -> None:
        events = [Event("order.new", "1", shop, event_key="k" if key else None) for shop in shops]
        self.post.run(lambda: self.sender.outbox.publish(events))

    @rule(lanes=integers(1, 3))
    def lease(self, lanes: int) -> None:
        self.held += [(lane, list(loaded.deliveries)) for lane, loaded in self.post.lease(lanes)]

    @precondition(lambda self: self.held)
    @rule(outcome=sampled_from(OUTCOMES), count=integers(0, 2), release=booleans())
    def settle(self, outcome: Callable[[], Outcome], count: int, *, release: bool) -> None:
        lane, flying = self.held.pop(0)
        ended, rest = flying[:count], flying[count:]
        self.post.settle(lane, *((delivery, outcome()) for delivery in ended), release=release and not rest)
        if rest or not release:
            self.held.append((lane, rest))

    @precondition(lambda self: self.held)
    @rule()
    def extend(self) -> None:
        self.post.run(lambda: self.post.mailbox.extend([lane for lane, _ in self.held]))

    @rule()
    def die_and_be_replaced(self) -> None:
        """What the dead one had in flight may still end: late."""
        self.post.run(self.post.mailbox.free_leases)

    @rule(which=integers(0, 9), enabled=booleans())
    def switch(self, which: int, *, enabled: bool) -> None:
        endpoint = self.endpoints[which % len(self.endpoints)]
        self.post.run(lambda: self.sender.endpoints.change(endpoint.id, enabled=enabled))

    @precondition(lambda self: len(self.endpoints) > 1)
    @rule(which=integers(0, 9))
    def delete(self, which: int) -> None:
        endpoint = self.endpoints.pop(which % len(self.endpoints))
        self.post.run(lambda: self.sender.endpoints.delete(endpoint.id))

    @rule(which=integers(0, 9), hold=booleans())
    def hold(self, which: int, *, hold: bool) -> None:
        lane_id = self.endpoints[which % len(self.endpoints)].lane_id
        if all(lane.id != lane_id for lane, _ in self.held):
            self.post.run(lambda: once(HOLD, lane_id=lane_id, until=NEVER if hold else self.clock()))

    @rule()
    def replay(self) -> None:
        for row in self.post.run(ended):
            self.post.run(partial(once, REPLAY, now=self.clock(), **row))
            self.post.run(partial(self.post.mailbox.ring, row["lane_id"]))

    @rule(seconds=sampled_from([0.1, 10.0, 40.0]))
    def wait(self, seconds: float) -> None:
        self.clock.jump(seconds)

    @invariant()
    def the_audit_finds_nothing(self) -> None:
        report = self.database.read(lambda: audit(self.clock(), lambda _: True))
        assert report.findings == []

    def teardown(self) -> None:
        self.sender.close()
        shutil.rmtree(self.folder)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
