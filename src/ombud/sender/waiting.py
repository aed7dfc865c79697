"""Which lanes wait for a place that has its fill, on record for whoever explains: only who performs knows it else.

Written when a wait begins that lasts, and when it ends; a wait of less than a second is not worth a write.
"""

from collections.abc import Mapping, Sequence
from itertools import islice

from ombud.db.database import Database, Writer
from ombud.db.operation import Operation
from ombud.db.queries import read_queries
from ombud.sender.targets import Targets

sql = read_queries("ombud.sender")

# Lanes on record at once by one process. Past it, whoever explains says only that a delivery is due.
MOST = 1_000


class Waiting:
    """The record of one process that performs. For one event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._mine: set[int] = set()
        self._last: Mapping[int, str] = {}

    async def look(self, targets: Targets, writer: Writer) -> None:
        """Bring the record up to date. A lane that is out of its line at one look, with a try under way, waits on."""
        waits, last = targets.waiting(), self._last
        self._last = waits
        if not (waits or self._mine):
            return
        known = await self._database.fetch(on_record)
        begun = self._begun({lane_id: place for lane_id, place in waits.items() if last.get(lane_id) == place}, known)
        ended = {lane_id for lane_id in self._mine if lane_id not in waits and lane_id not in last}
        if begun or ended:
            limits = (targets.connections, targets.per_second)
            rows = [(lane_id, place, *limits) for lane_id, place in sorted(begun.items())]
            await writer.write(lambda: _write(rows, sorted(ended)))
        self._mine = (self._mine | begun.keys()) - ended

    def _begun(self, waits: Mapping[int, str], known: Mapping[int, str]) -> dict[int, str]:
        """Return what is to be put on record of the waits that last."""
        wrong = {lane_id: place for lane_id, place in waits.items() if known.get(lane_id) != place}
        more = max(0, MOST - len(self._mine))
        new = set(islice((lane_id for lane_id in wrong if lane_id not in self._mine), more))
        return {lane_id: place for lane_id, place in wrong.items() if lane_id in self._mine or lane_id in new}


def on_record() -> Operation[dict[int, str]]:
    """Return the lanes that are known to wait, whoever performs them, each with its place."""
    return {row["lane_id"]: row["place"] for row in (yield sql["target_waits"], {})}


def _write(begun: Sequence[tuple[int, str, int, int]], ended: Sequence[int]) -> Operation[None]:
    yield sql["drop_untrue_waits"], {}
    yield sql["drop_target_waits"], [(lane_id,) for lane_id in ended]
    yield sql["put_target_waits"], begun
