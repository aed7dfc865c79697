"""Counting what came of tries while they end, so that no page has to count rows: by lane and ten minutes, by lane and
hour, and by the minute of all lanes together.

The process that performs counts in memory and writes every few seconds, in one transaction for all its lanes; a process
that is killed loses what it has not written yet. What must not be lost is in the attempts.
"""

import asyncio
import logging
import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ombud.db.operation import Operation, Row, Statement
from ombud.db.queries import Queries, read_queries
from ombud.errors import OmbudError
from ombud.mailbox.model import Box, Done, Interrupted, Outcome, Result
from ombud.sender.outbox import TEST_DATA
from ombud.sender.sender import Sender

K = TypeVar("K")

sql = read_queries("ombud.admin", "tally.sql")


def of_hours(name: str) -> Statement:
    """Return a statement about ten minutes of lanes as one about hours: that table has the same columns."""
    one = sql[name]
    here, there = (re.sub(r"\btally\b", "tally_hours", text) for text in (one.sql, one.postgres))
    return Statement(f"{name}_hours", here, there, one.columns)


HOURS = {name: of_hours(name) for name in ("add_to_tally", "tally_of_lane", "tally_of_shop")}

log = logging.getLogger("ombud.admin")

# Microseconds of one row of a lane, of one that is kept for long, and of one of the whole.
SPAN = 10 * 60 * 1_000_000
HOUR = 6 * SPAN
WHOLE_SPAN = 60 * 1_000_000
# How far back rows are kept: a week, and the day in which a page looks back a week; of ten minutes six hours and some.
KEPT = 8 * 24 * HOUR
KEPT_SPANS = 8 * HOUR
# Seconds between two writings: what a page lags behind, and what a kill loses.
FLUSH_SECONDS = 2.0
# Old rows that one writing deletes.
MOST_FORGOTTEN = 1_000
# Milliseconds up to which a try belongs to a column; the last column is for those of more.
BOUNDS = (10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000)
COLUMNS = [f"ms_{bound}" for bound in BOUNDS] + ["ms_more"]


@dataclass(slots=True)
class Count:
    """What came of some tries. `times`: how many took how long, one for each of COLUMNS."""

    done: int = 0
    failed: int = 0
    last_at: int = 0  # UTC microseconds
    last_status: int | None = None
    times: list[int] = field(default_factory=lambda: [0] * len(COLUMNS))

    def add(self, outcome: Outcome, milliseconds: int, ended: int) -> None:
        """Count a try that ended then."""
        if isinstance(outcome, Done):
            self.done += 1
        else:
            self.failed += 1
        self.last_at, self.last_status = ended, outcome.status
        self.times[bisect_left(BOUNDS, milliseconds)] += 1

    def take_in(self, other: "Count") -> None:
        """Add another one."""
        self.done += other.done
        self.failed += other.failed
        if other.last_at >= self.last_at:
            self.last_at, self.last_status = other.last_at, other.last_status
        self.times = [one + two for one, two in zip(self.times, other.times, strict=True)]

    @property
    def tries(self) -> int:
        """How many they were."""
        return self.done + self.failed

    def quantile(self, share: float) -> int | None:
        """Return the milliseconds within which this share of the tries ended, to the next of BOUNDS; None without any.

        More than the last of BOUNDS is told as twice that.
        """
        rest = share * sum(self.times)
        for bound, count in zip((*BOUNDS, BOUNDS[-1] * 2), self.times, strict=True):
            rest -= count
            if count and rest <= 0:
                return bound
        return None


class Tally:
    """Counts the tries of a sender that performs."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        # By the start of a minute, by lane.
        self._minutes: dict[int, dict[int, Count]] = {}
        # That of the latest try, from when until when it goes.
        self._minute: dict[int, Count] = {}
        self._since = self._until = 0
        # A row of each process: several would wait for each other's commits.
        self._whole = -1 - sender.outbox.mailbox.ids.node
        sender.outbox.mailbox.on_results = self._note

    async def run(self) -> None:
        """Write what was counted, every few seconds, until it is cancelled."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            if self._minutes:
                await self.flush()

    async def flush(self) -> None:
        """Write what was counted; without success it is kept for the next time."""
        minutes, self._minutes, self._until = self._minutes, {}, 0
        whole, clock = self._whole, self._sender.database.clock
        try:
            await self._sender.writer.write(lambda: store(_spread(minutes, whole), clock()))
        except OmbudError as error:
            log.warning("counts of tries are not written yet: %s", error)
            for since, lanes in minutes.items():
                _take_in(self._minutes.setdefault(since, {}), lanes)

    def _note(self, results: Iterable[Result]) -> None:
        for delivery, at, milliseconds, outcome, _, _, _, _ in results:
            if isinstance(outcome, Interrupted) or delivery.data == TEST_DATA:
                continue
            ended = at + milliseconds * 1_000
            if not self._since <= ended < self._until:
                self._turn_to(ended - ended % WHOLE_SPAN)
            count = self._minute.get(delivery.lane_id)
            if count is None:
                count = self._minute[delivery.lane_id] = Count()
            count.add(outcome, milliseconds, ended)

    def _turn_to(self, since: int) -> None:
        self._since, self._until = since, since + WHOLE_SPAN
        self._minute = self._minutes.setdefault(since, {})


def _spread(minutes: Mapping[int, Mapping[int, Count]], whole: int) -> dict[tuple[int, int], Count]:
    """Return the counts of minutes as rows have them: by lane and ten minutes, and by minute of all as `whole`."""
    counts: dict[tuple[int, int], Count] = {}
    for since, lanes in minutes.items():
        _take_in(counts, {(lane_id, since - since % SPAN): count for lane_id, count in lanes.items()})
        counts[whole, since] = together(lanes.values())
    return counts


def _take_in(counts: dict[K, Count], others: Mapping[K, Count]) -> None:
    for key, count in others.items():
        counts.setdefault(key, Count()).take_in(count)


def store(counts: Mapping[tuple[int, int], Count], now: int) -> Operation[None]:
    """Add counts to those of their lanes (lane, start of ten minutes), and forget what is old."""
    hours: dict[tuple[int, int], Count] = {}
    for (lane_id, since), count in counts.items():
        if lane_id > 0:
            hours.setdefault((lane_id, since - since % HOUR), Count()).take_in(count)
    yield sql["add_to_tally"], _rows(counts)
    yield HOURS["add_to_tally"], _rows(hours)
    yield sql["forget_tally"], {"before": now - KEPT_SPANS, "most": MOST_FORGOTTEN}
    for name in ("forget_hours", "forget_whole"):
        yield sql[name], {"before": now - KEPT, "most": MOST_FORGOTTEN}


def counts_of(lane_ids: Sequence[int], since: int, width: int = SPAN) -> Operation[dict[int, dict[int, Count]]]:
    """Return the counts of each of these lanes from a time on, by the start of each span of `width`.

    `width`: microseconds, a multiple of SPAN. Less than an hour reaches back KEPT_SPANS.
    """
    found: dict[int, dict[int, Count]] = {lane_id: {} for lane_id in lane_ids}
    first = since - since % width
    rows = [(lane_id, first, width) for lane_id in lane_ids]
    for row in (yield _by(width)["tally_of_lane"], rows):
        found[row["lane_id"]][row["since"]] = _count(row)
    return found


def counts_of_all(since: int, width: int) -> Operation[dict[int, Count]]:
    """Return the same of the whole installation; `width` is a multiple of WHOLE_SPAN."""
    rows = yield sql["tally_of_all"], {"from": since - since % width, "width": width}
    return {row["since"]: _count(row) for row in rows}


def counts_of_shop(shop_id: int, since: int, width: int) -> Operation[dict[int, Count]]:
    """Return the same of one shop's endpoints."""
    values = {"box": Box.OUTBOX, "shop_id": shop_id, "from": since - since % width, "width": width}
    rows = yield _by(width)["tally_of_shop"], values
    return {row["since"]: _count(row) for row in rows}


def together(counts: Iterable[Count]) -> Count:
    """Return several counts as one."""
    whole = Count()
    for count in counts:
        whole.take_in(count)
    return whole


def _by(width: int) -> Queries | Mapping[str, Statement]:
    """Return the statements that read the rows which spans of that width are made of."""
    return sql if width % HOUR else HOURS


def _count(row: Row) -> Count:
    last_at, status = divmod(row["latest"], 1_000)
    return Count(row["done"], row["failed"], last_at, status or None, [row[column] for column in COLUMNS])


def _rows(counts: Mapping[tuple[int, int], Count]) -> list[tuple[Any, ...]]:
    """Return the rows of counts, in one order for every process, so that no two wait for each other."""
    found = [(key, counts[key]) for key in sorted(counts)]
    return [(*key, one.done, one.failed, one.last_at, one.last_status, *one.times) for key, one in found]
