"""What an append brings, heard while other commits or a turn end."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ombud.db.sqlite import SqliteDatabase
from ombud.mailbox.holder import Holder
from ombud.mailbox.mailbox import Appended, Policy
from ombud.mailbox.model import NEVER, Delivery, Done, Outcome
from ombud.mailbox.turn import TurnDone
from tests.mailbox.office import Office

TOKEN = 7


async def perform(_: Delivery, __: object) -> Outcome:
    return Done()


class Hearing:
    """A worker's memory, and an append to an idle lane."""

    def __init__(self, database: SqliteDatabase) -> None:
        office = Office(database, Policy())
        self.lane_id = office.add_lane()
        office.append(self.lane_id)
        [lane] = office.lease()
        self.delivery = office.load(lane).deliveries[0]
        self.row = (self.lane_id, 1, lane.destination_id, TOKEN, 1, 0, "", None, 0, 0, 0, 0, 0, None, None, NEVER)
        self.holder = Holder(office.mailbox, database, perform, 8, lambda: None)

    def hear(self, token: int | None) -> None:
        """Hear that a commit has taken the lane, and what an append with that token brings."""
        self.holder.hear(([self.row], [[Appended(self.lane_id, [self.delivery], token=token)]]))

    @property
    def starts(self) -> bool:
        """Whether it starts from memory; else a load is to find it."""
        stock = self.holder.lanes[self.lane_id].stock
        assert stock.expects is not stock.stale
        return stock.expects


@pytest.fixture
async def hearing(tmp_path: Path) -> AsyncIterator[Hearing]:
    database = SqliteDatabase(tmp_path / "ombud.db")
    made = Hearing(database)
    yield made
    made.holder.cancel()
    database.close()


@pytest.mark.parametrize(("token", "starts"), [(TOKEN, True), (TOKEN + 1, False), (None, False)])
async def test_only_what_took_the_lane_itself_starts_from_memory(
    hearing: Hearing, token: int | None, *, starts: bool
) -> None:
    """Of two commits that end together, one may be heard with what the other took. A former owner may have performed
    that one, and given the lane back in between.
    """
    hearing.hear(token)

    assert hearing.starts is starts


async def test_a_turn_that_gave_a_lane_back_does_not_end_the_lease_that_an_append_took_then(hearing: Hearing) -> None:
    touches = hearing.holder.begin_turn()
    hearing.hear(TOKEN)
    hearing.holder.take_in(touches, TurnDone(emptied=[hearing.lane_id]))

    assert hearing.starts
