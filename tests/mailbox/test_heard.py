"""Two commits that end together: what one has appended is heard with the lane that the ring of the other has taken."""

from pathlib import Path

import pytest

from ombud.db.sqlite import SqliteDatabase
from ombud.mailbox.holder import Holder
from ombud.mailbox.mailbox import Appended, Policy
from ombud.mailbox.model import NEVER, Delivery, Done, Outcome
from tests.mailbox.office import Office

TOKEN = 7


async def perform(_: Delivery, __: object) -> Outcome:
    return Done()


@pytest.mark.parametrize(("token", "starts"), [(TOKEN, True), (TOKEN + 1, False), (None, False)])
async def test_only_what_took_the_lane_itself_starts_from_memory(
    tmp_path: Path, token: int | None, *, starts: bool
) -> None:
    """A former owner may have performed the rest, and given the lane back in between: a load finds what is left."""
    database = SqliteDatabase(tmp_path / "ombud.db")
    office = Office(database, Policy())
    lane_id = office.add_lane()
    office.append(lane_id)
    [lane] = office.lease()
    [delivery] = office.load(lane).deliveries
    holder = Holder(office.mailbox, database, perform, 8, lambda: None)
    row = (lane_id, 1, lane.destination_id, TOKEN, 1, 0, "", None, 0, 0, 0, 0, 0, None, None, NEVER)

    holder.hear(([row], [[Appended(lane_id, [delivery], token=token)]]))

    held = holder.lanes[lane_id]
    assert held.stock.expects is starts
    assert held.stock.stale is not starts
    holder.cancel()
    database.close()
