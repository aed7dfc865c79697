"""Counting behind a sender what it has accepted, and looking now and then at what waits, so that no page counts rows.

Appends come from any process and must stay as they are, so events are counted afterwards, in the order of their ids.
"""

from collections import Counter
from collections.abc import Sequence

from ombud.admin.overview import waiting_seconds
from ombud.admin.reading import read
from ombud.admin.tally import KEPT, MOST_FORGOTTEN, SPAN, WHOLE_SPAN, sql
from ombud.db.operation import Operation, Row
from ombud.mailbox.ids import first_id_of
from ombud.mailbox.model import Box
from ombud.mailbox.rounds import Round, Rounds
from ombud.sender.sender import LAG_SECONDS, Sender

# Where the events of every shop together are counted.
WHOLE = -1
# Events of one step: their reading takes some ten milliseconds. Between two steps deliveries have the machine.
STEP_EVENTS = 5_000
# Seconds between two looks for new events, and between two at what waits.
COUNT_SECONDS = 2.0
SAMPLE_SECONDS = 10.0
# Seconds after which an id that was made is committed: on one machine the next transaction has a later one.
OWN_LAG_SECONDS = 1.0
# Waiting deliveries that are counted; more are told as that many. Counting them takes some 20 milliseconds.
MOST_WAITING = 100_000


class Counting:
    """Counts on one sender, until it is cancelled; several processes may, and nothing is counted twice."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._database = sender.database
        self._lag = round((OWN_LAG_SECONDS if self._database.exclusive else LAG_SECONDS) * 1_000_000)

    async def run(self) -> None:
        """Count and look, again and again."""
        await Rounds([Round(COUNT_SECONDS, self.count), Round(SAMPLE_SECONDS, self.sample)]).run()

    async def count(self) -> bool:
        """Count some events; returns whether there are more."""
        now = self._database.clock()
        until = first_id_of(now - self._lag)
        was, rows = await read(self._database, lambda: _uncounted(until))
        if was is None:
            await self._sender.writer.write(lambda: _begin(first_id_of(now - KEPT)))
            return True
        passed = sum(row["passed"] for row in rows)
        if passed:
            last = max(row["last_id"] for row in rows)
            await self._sender.writer.write(lambda: _add(rows, was, last + 1, now))
        return bool(passed == STEP_EVENTS)

    async def sample(self) -> bool:
        """Write down what waits now; returns False: once is enough."""
        now = self._database.clock()
        waiting, oldest = await read(self._database, lambda: backlog_now(now))
        values = {"since": now - now % WHOLE_SPAN, "waiting": waiting, "oldest_ms": round(oldest * 1_000)}
        await self._sender.writer.write(lambda: _put(values, now))
        return False


def backlog_now(now: int) -> Operation[tuple[int, float]]:
    """Return how many deliveries wait, MOST_WAITING for more, and the seconds that the oldest due one has waited."""
    rows = yield sql["waiting_of_box"], {"box": Box.OUTBOX, "most": MOST_WAITING}
    return rows[0]["waiting"], (yield from waiting_seconds(Box.OUTBOX, now))


def _uncounted(until_id: int) -> Operation[tuple[int | None, list[Row]]]:
    began = yield sql["next_uncounted"], {}
    if not began:
        return None, []
    next_id = began[0]["next_id"]
    values = {"box": Box.OUTBOX, "next_id": next_id, "until_id": until_id, "rows": STEP_EVENTS}
    return next_id, (yield sql["uncounted_events"], values)


def _begin(next_id: int) -> Operation[None]:
    yield sql["begin_counting"], {"next_id": next_id}


def _add(rows: Sequence[Row], was: int, next_id: int, now: int) -> Operation[None]:
    if not (yield sql["move_counting"], {"was": was, "next_id": next_id}):
        return
    counts: Counter[tuple[int, int]] = Counter()
    for row in rows:
        if row["events"]:
            counts[row["shop_id"], row["since"] - row["since"] % SPAN] += row["events"]
            counts[WHOLE, row["since"]] += row["events"]
    yield sql["add_accepted"], [(shop_id, since, counts[shop_id, since]) for shop_id, since in sorted(counts)]
    yield sql["forget_accepted"], {"before": now - KEPT, "most": MOST_FORGOTTEN}


def _put(values: dict[str, int], now: int) -> Operation[None]:
    yield sql["put_backlog"], values
    yield sql["forget_backlog"], {"before": now - KEPT}
