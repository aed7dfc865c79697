"""Whatever the house's own operations do, in whatever order, over days, the audit has nothing to say."""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from hypothesis.strategies import booleans, integers, lists, sampled_from

from ombud.admin.audit import audit
from ombud.mailbox import lease as leases
from ombud.mailbox.model import Ages, Dead, Delivery, Done, Fault, Interrupted, Lane, Outcome, Retry, Skip
from ombud.sender.endpoint import Endpoint, EndpointEdit
from ombud.sender.outbox import Event
from ombud.sender.sender import Sender
from ombud.settings import Settings
from tests.admin.audited import ended
from tests.admin.post import Janitor, Post
from tests.mailbox.office import StoppedClock
from tests.support.databases import KINDS, Home, lend_home
from tests.support.postgres import PostgresServers

# Lives that are tried on SQLite, and what happens in each: some seconds. More by the environment. PostgreSQL needs ten
# times as long for one, so it has a quarter of them.
LIVES = int(os.environ.get("OMBUD_TEST_LIVES", "12"))
STEPS = 25
DAY_SECONDS = 86_400.0
AGES = Ages(done_days=1, failed_days=2)

OUTCOMES: Sequence[Callable[[], Outcome]] = [
    lambda: Done(200),
    lambda: Retry("500"),
    lambda: Retry("later", after=40_000.0),
    lambda: Retry("429", after=3_600.0, fault=Fault.LANE),
    lambda: Dead("410"),
    lambda: Skip("nothing to do"),
    Interrupted,
]

# What a janitor may have done of it when it is stopped, or others come between.
ENDS = [
    ("move",),
    ("delete",),
    ("move", "delete"),
    ("move", "delete", "drop"),
    ("move", "delete", "drop", "delete_keys"),
]

Lend = Callable[[], AbstractContextManager[Home]]


class Life(RuleBasedStateMachine):
    """A sender, a performer that may die, people who change their minds, and a janitor who ends days, step by step."""

    lend: Lend

    def __init__(self) -> None:
        super().__init__()
        self._lent = self.lend()

    @initialize()
    def begin(self) -> None:
        self.clock = StoppedClock()
        self.sender = Sender(self._lent.__enter__().open(self.clock), Settings(retry_seconds=(0.2, 5.0)))
        self.database = self.sender.database
        self.post = Post(self.database, self.sender.outbox.mailbox)
        self.janitor = Janitor(self.post, AGES)
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
        now, rest = flying[:count], flying[count:]
        lane = self.post.settle(lane, *((one, outcome()) for one in now), release=release and not rest)
        if rest or not release:
            self.held.append((lane, rest))

    @precondition(lambda self: self.held)
    @rule()
    def extend(self) -> None:
        self.post.run(lambda: leases.extend(self.post.mailbox, [lane for lane, _ in self.held]))

    @rule()
    def die_and_be_replaced(self) -> None:
        """What the dead one had in flight may still end: late."""
        self.post.die()

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
        change = self.post.mailbox.pause if hold else self.post.mailbox.resume
        self.post.run(partial(change, lane_id))

    @rule()
    def replay(self) -> None:
        over = [(row["event_id"], row["lane_id"]) for row in self.post.run(ended)]
        self.post.run(lambda: self.post.mailbox.replay(over))

    @rule(outcome=sampled_from(OUTCOMES))
    def perform(self, outcome: Callable[[], Outcome]) -> None:
        self.post.perform(lambda _: outcome())

    @rule(seconds=sampled_from([0.1, 10.0, 40.0, 40_000.0]))
    def wait(self, seconds: float) -> None:
        self.clock.jump(seconds)

    @rule()
    def open_today(self) -> None:
        self.janitor.open()

    @rule(steps=sampled_from(ENDS))
    def days_pass(self, steps: Sequence[str]) -> None:
        """Without trouble: most days are such."""
        self.publish([1, 2], key=True)
        self.post.perform(lambda _: Done(200))
        self.clock.jump(3 * DAY_SECONDS)
        self.janitor.open()
        if self.janitor.old_days():
            self.end_a_day(steps)

    @precondition(lambda self: self.janitor.old_days())
    @rule(steps=sampled_from(ENDS))
    def end_a_day(self, steps: Sequence[str]) -> None:
        day = self.janitor.old_days()[0]
        for step in steps:
            getattr(self.janitor, step)(day)
            self.the_audit_finds_nothing()

    @invariant()
    def the_audit_finds_nothing(self) -> None:
        for performs in (lambda _: True, lambda _: False) if self.database.exclusive else (None,):
            report = self.database.read(partial(audit, performs))
            assert report.findings == []

    def teardown(self) -> None:
        self.sender.close()
        self._lent.__exit__(None, None, None)


@pytest.mark.parametrize("kind", KINDS)
def test_no_life_gives_a_false_alarm(
    kind: str, tmp_path_factory: pytest.TempPathFactory, postgres_servers: PostgresServers
) -> None:
    class Here(Life):
        @staticmethod
        def lend() -> AbstractContextManager[Home]:
            return lend_home(kind, tmp_path_factory.mktemp("life"), postgres_servers)

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=LIVES if kind == "sqlite" else max(1, LIVES // 4),
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
