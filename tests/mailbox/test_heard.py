"""What an append brings, heard while other commits or a turn end."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ombud.db.operation import Row
from ombud.db.sqlite import SqliteDatabase
from ombud.mailbox.bell import Heard
from ombud.mailbox.holder import KEPT_POLL_SECONDS, Holder
from ombud.mailbox.ids import COUNTER_BITS
from ombud.mailbox.mailbox import Policy
from ombud.mailbox.model import NEVER, Delivery, Done, Loaded, Outcome
from ombud.mailbox.ring import Appended, Hold
from ombud.mailbox.turn import TurnDone, take_turn
from tests.mailbox.office import Office

TOKEN = 7


async def perform(_: Delivery, __: object) -> Outcome:
    return Done()


class Hearing:
    """A worker's memory, and an append to an idle lane."""

    def __init__(self, database: SqliteDatabase) -> None:
        self.office = office = Office(database, Policy())
        self.lane_id = office.add_lane()
        office.append(self.lane_id)
        self.lane = lane = office.lease_one()
        self.delivery = office.load(lane).deliveries[0]
        self.row = (self.lane_id, 1, lane.destination_id, TOKEN, 1, 0, "", None, 0, 0, 0, 0, 0, None, None, NEVER, True)
        self.facts: dict[int, Row] = {self.lane_id: {"closed": None}}
        self.holder = Holder(office.mailbox, database, perform, 8, lambda: None)

    def hear(self, token: int | None) -> None:
        """Hear that a commit has taken the lane, and what an append with that token brings."""
        self.holder.hear(Heard([self.row], [[Appended(self.lane_id, [self.delivery], token=token)]], self.facts))

    def hear_again(self, hold: Hold | None, event_id: int, *, kept: bool = True) -> bool:
        """Hear what an append brings that has found the lane owned so; returns whether it starts from memory."""
        more = self.delivery._replace(event_id=event_id, subject=f"order/{event_id}")
        gift = [Appended(self.lane_id, [more], hold=hold)]
        self.holder.hear(Heard([], [gift], self.facts, {self.lane_id} if kept else ()))
        return event_id in self.holder.lanes[self.lane_id].stock.known

    @property
    def starts(self) -> bool:
        """Whether it starts from memory; else a load is to find it."""
        held = self.holder.lanes[self.lane_id]
        assert bool(held.in_flight) is not held.stock.stale
        return bool(held.in_flight)


@pytest.fixture
async def hearing(tmp_path: Path) -> AsyncIterator[Hearing]:
    database = SqliteDatabase(tmp_path / "ombud.db")
    made = Hearing(database)
    yield made
    made.holder.cancel()
    database.close()


@pytest.mark.parametrize(("token", "starts"), [(TOKEN, True), (TOKEN + 1, False), (None, False)])
async def test_only_what_took_the_lane_itself_starts_from_memory(
    hearing: Hearing, monkeypatch: pytest.MonkeyPatch, token: int | None, *, starts: bool
) -> None:
    """Where a ring is a commit of its own: of two commits that end together, one may be heard with what the other took.
    A former owner may have performed that one, and given the lane back in between.
    """
    monkeypatch.setattr(SqliteDatabase, "exclusive", False)
    hearing.hear(token)

    assert hearing.starts is starts


async def test_a_turn_that_gave_a_lane_back_does_not_end_the_lease_that_an_append_took_then(hearing: Hearing) -> None:
    touches = hearing.holder.begin_turn()
    hearing.hear(TOKEN)
    hearing.holder.take_in(touches, TurnDone(emptied=[hearing.lane_id]))

    assert hearing.starts


async def test_a_lane_that_a_turn_gives_back_and_leases_anew_is_in_memory_once(
    hearing: Hearing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of two memories would start what it loads."""
    office, holder = hearing.office, hearing.holder
    holder.take_in([], TurnDone(leased=[(hearing.lane, Loaded((), {"closed": None}, more=True))]))
    monkeypatch.setattr("ombud.mailbox.holder.REST_SECONDS", 0.0)
    office.settle(hearing.lane, hearing.delivery, Done())
    touches = holder.begin_turn()
    done = office.run(lambda: take_turn(office.mailbox, touches, 0))
    # What another process has appended since, and the same turn leases.
    office.append(hearing.lane_id)
    done.leased = [(office.lease_one(), Loaded((), {"closed": None}, more=True))]
    holder.take_in(touches, done)

    assert [(touch.leaves, touch.wanted is not None) for touch in touches] == [(True, True)]
    assert [touch.held for touch in holder.begin_turn()] == [holder.lanes[hearing.lane_id]]


@pytest.mark.parametrize("facts", [None, {"closed": "destination deleted"}])
async def test_a_lane_that_leads_nowhere_is_left_to_a_load(hearing: Hearing, facts: Row | None) -> None:
    """Also when its facts could not be read."""
    hearing.facts = {} if facts is None else {hearing.lane_id: facts}
    hearing.hear(TOKEN)

    assert not hearing.starts


async def test_what_comes_to_an_owned_lane_starts_from_memory(hearing: Hearing) -> None:
    hearing.hear(TOKEN)
    hold = hearing.holder.hold_of(hearing.lane_id)

    assert hold is not None
    assert hearing.holder.hold_of(hearing.lane_id + 1) is None
    assert hearing.hear_again(hold, 11)
    # Its own lease has ended since, it was paused, or another append has leased it anew.
    assert not hearing.hear_again(hold, 12, kept=False)


async def test_what_a_load_may_have_found_is_left_to_a_load(hearing: Hearing, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have been tried and settled since its commit."""
    monkeypatch.setattr(SqliteDatabase, "exclusive", False)
    hearing.hear(TOKEN)
    before = hearing.holder.hold_of(hearing.lane_id)
    hearing.holder.hear(Heard([], [[Appended(hearing.lane_id)]], {}))
    touches = hearing.holder.begin_turn()

    assert hearing.holder.hold_of(hearing.lane_id) is None
    held = hearing.holder.lanes[hearing.lane_id]
    hearing.holder.take_in(touches, TurnDone(loaded=[(held, Loaded((), {"closed": None}))]))
    assert hearing.hear_again(hearing.holder.hold_of(hearing.lane_id), 11)
    assert not hearing.hear_again(before, 12)


async def test_what_comes_is_read_with_what_another_process_has_appended(hearing: Hearing) -> None:
    """That would wait until somebody looks, for as long as this process has more for the lane; and be overtaken."""
    hearing.hear(TOKEN)
    foreign = hearing.delivery._replace(event_id=hearing.delivery.event_id ^ 1 << COUNTER_BITS)
    held = hearing.holder.lanes[hearing.lane_id]
    loaded = TurnDone(loaded=[(held, Loaded([foreign], {"closed": None}))])
    assert hearing.holder.hold_of(hearing.lane_id) is not None
    hearing.holder.take_in(hearing.holder.begin_turn(), loaded)

    assert hearing.holder.hold_of(hearing.lane_id) is None


async def test_what_comes_is_read_when_nobody_has_looked_for_long(hearing: Hearing) -> None:
    """Else what another process has appended waits for as long as a lane is never empty."""
    hearing.hear(TOKEN)
    hold = hearing.holder.hold_of(hearing.lane_id)
    hearing.holder.lanes[hearing.lane_id].looked_at -= KEPT_POLL_SECONDS

    assert not hearing.hear_again(hold, 11)
    assert hearing.holder.hold_of(hearing.lane_id) is None
