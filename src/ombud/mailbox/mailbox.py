"""What everybody may do with a mailbox: append, ring, pause, resume, replay. Its lanes' owners do the rest: turn.py.

Each operation is a generator that the driver of a database runs. The rules that keep them right are in
docs/architecture.md. A side that uses a mailbox supplies one statement, `facts`: for each row `lane_id` it returns one
about the lane's destination, with that `lane_id` and `closed`: null, or the reason why nothing is to be done for it. It
may have `until`: they hold for a time only. And one that returns their `version`, if they have one (memory.py).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ombud.db.operation import Afterwards, Operation, Row, Statement
from ombud.db.queries import read_queries
from ombud.errors import StorageUnavailable
from ombud.mailbox.gate import Gate, OpenGate
from ombud.mailbox.health import Care
from ombud.mailbox.ids import NODES, IdSource
from ombud.mailbox.leftover import Leftover
from ombud.mailbox.memory import Memory
from ombud.mailbox.model import Ages, Box, Delivery, Draft, Health, Lane, Rank, Result
from ombud.mailbox.retry import Terms
from ombud.mailbox.ring import Appended, Bell, WakeBell
from ombud.settings import RETRY_PRESETS, RETRY_SECONDS, Settings

sql = read_queries("ombud.mailbox")

Clock = Callable[[], int]

# Seconds that a lease lasts without a sign of life: three missed extensions and one long commit.
LEASE_SECONDS = 30.0
# Seconds that a delivery is tried while its destination is open: a weekend with a holiday.
DEADLINE_SECONDS = 72 * 3_600.0
# Microseconds of a day, by which rows are placed.
DAY_MICROSECONDS = 86_400_000_000


def claim_node() -> Operation[int]:
    """Take this process's share of the id space; commit it before the first id is made."""
    rows = yield sql["claim_node"], {}
    return int(rows[0]["last"]) % NODES


def open_day(day: int) -> Operation[None]:
    """Have rows placed in that day (days since 1970) from now on; a day that is open already stays so."""
    yield sql["make_day"], {"day": day}
    yield sql["open_day"], {"day": day}


@dataclass(frozen=True)
class Policy:
    """What differs between mailboxes. Spans are in seconds.

    `merging`: of the deliveries of one subject that nobody has started, the newest covers the others.
    `schedules`: others than the usual one, by name.
    `deadline_seconds`: a delivery is not tried later than this, on a clock that stands still while its lane is closed.
    """

    retry_seconds: Sequence[float] = RETRY_SECONDS
    deadline_seconds: float | None = None
    lease_seconds: float = LEASE_SECONDS
    merging: bool = False
    care: Care = field(default_factory=Care)
    schedules: Mapping[str, Sequence[float]] = field(default_factory=dict)
    ages: Ages = field(default_factory=Ages)

    @classmethod
    def of(cls, settings: Settings, *, merging: bool = False, gives_up: bool = False) -> "Policy":
        """Return the policy of these settings. What `gives_up` has a deadline, and destinations are switched off.

        A schedule that was chosen by name has its own end.
        """
        first, last = settings.probe_seconds
        named = settings.retry_seconds in RETRY_PRESETS.values()
        return cls(
            retry_seconds=settings.retry_seconds,
            deadline_seconds=DEADLINE_SECONDS if gives_up and not named else None,
            schedules=RETRY_PRESETS,
            lease_seconds=settings.lease_seconds,
            merging=merging,
            care=Care(settings.window_cap, first, last, gives_up),
            ages=Ages(settings.keep_done_days, settings.keep_failed_days),
        )

    def terms_of(self, schedule: str) -> Terms:
        """Return how long a delivery is tried whose destination wants that schedule; an unknown one is the usual.

        A schedule that is asked for by name ends with its last pause.
        """
        if schedule in self.schedules:
            return Terms(self.schedules[schedule])
        return Terms(self.retry_seconds, self.deadline_seconds)

    @property
    def lease(self) -> int:
        """A lease in microseconds."""
        return round(self.lease_seconds * 1_000_000)


class Mailbox:
    """The deliveries of one box, and the rules by which they move."""

    def __init__(
        self,
        box: Box,
        facts: Statement,
        ids: IdSource,
        clock: Clock,
        policy: Policy = Policy(),
        version: Statement | None = None,
    ) -> None:
        self.box = box
        self.facts = facts
        # By lane.
        self.known_facts: Memory[int, Row] = Memory(version)
        self.ids = ids
        self.clock = clock
        self.policy = policy
        self.bell: Bell = WakeBell(lambda: None)
        # Limits what lanes start together, beside their windows and slots.
        self.gate: Gate = OpenGate()
        # Keeps the pace of what is behind, beside live work of this process.
        self.leftover = Leftover()
        # Hears, in the settle's transaction, how a lane was and how it is now.
        self.on_health: Callable[[Lane, Health, Health], Operation[None]] | None = None
        # Hears there which deliveries are dead, and why.
        self.on_dead: Callable[[Sequence[tuple[Delivery, str | None]]], Operation[None]] | None = None
        # Hears on the worker's event loop what came of tries, before that is settled. It raises nothing.
        self.on_results: Callable[[Sequence[Result]], None] | None = None

    def add_lane(self, shop_id: int, destination_id: int, slot: int = 0) -> Operation[int]:
        """Make a lane for a destination; returns its id."""
        lane_id = self.ids.next()
        values = {"id": lane_id, "box": self.box, "shop_id": shop_id, "destination_id": destination_id, "slot": slot}
        yield sql["insert_lane"], values
        return lane_id

    def append(self, drafts: Sequence[Draft]) -> Operation[list[int]]:
        """Store events and one delivery for each of their lanes, and ring those lanes; returns the events' ids."""
        if not drafts:
            return []
        ((day, now),) = yield sql["newest_day"], {}, tuple
        if day is None:
            raise StorageUnavailable("No day has been opened for new events yet; nothing was stored. Try again.")
        ids, box = self.ids.take(len(drafts)), int(self.box)
        numbered = list(zip(ids, drafts, strict=True))
        yield (
            sql["insert_events"],
            [
                (day, shop_id, id_, box, type_, subject, data, len(lane_ids))
                for id_, (shop_id, type_, subject, lane_ids, data, _) in numbered
            ],
        )
        yield (
            sql["insert_deliveries"],
            [
                (day, shop_id, id_, lane_id, subject, delay)
                for id_, (shop_id, _, subject, lane_ids, _, delay) in numbered
                for lane_id in lane_ids
            ],
        )
        later = [(lane_id, d.delay) for _, d in numbered if d.delay for lane_id in d.lane_ids]
        if later:
            yield Afterwards(sql["ring_lanes_later"], later)
        yield from self._ring_for(day, now, [(id_, d) for id_, d in numbered if not d.delay])
        return ids

    def ring(self, *lane_ids: int) -> Operation[None]:
        """Have someone look at these lanes now, because their destination changed."""
        yield from self._announce(self.bell, [Appended(lane_id, changed=True) for lane_id in lane_ids])

    def pause(self, *lane_ids: int) -> Operation[None]:
        """Start nothing more for these lanes until somebody resumes them; what waits stays."""
        yield sql["pause_lanes"], [(lane_id,) for lane_id in lane_ids]
        yield from self.ring(*lane_ids)

    def resume(self, *lane_ids: int) -> Operation[None]:
        """Look at these lanes again, now; also at one that was given up."""
        yield sql["resume_lanes"], [(lane_id,) for lane_id in lane_ids]
        yield from self.ring(*lane_ids)

    def replay(self, deliveries: Iterable[tuple[int, int]], rank: Rank = Rank.REPLAY) -> Operation[int]:
        """Perform deliveries (event, lane) once more, behind what is live; returns how many were not pending."""
        wanted = [(event_id, lane_id, int(rank)) for event_id, lane_id in deliveries]
        opened = yield sql["replay_deliveries"], wanted, tuple
        yield from self._announce(self.bell, [Appended(lane_id) for lane_id in sorted({row[1] for row in opened})])
        return len(opened)

    def skip(self, deliveries: Iterable[tuple[int, int]], reason: str) -> Operation[int]:
        """Leave deliveries (event, lane) out: those that were given up, or wait and are not due; returns how many.

        One that is due may be running, and is left alone.
        """
        wanted = [(event_id, lane_id, reason) for event_id, lane_id in deliveries]
        return len((yield sql["skip_deliveries"], wanted, tuple))

    def _ring_for(self, day: int, now: int, numbered: Sequence[tuple[int, Draft]]) -> Operation[None]:
        """Ring the lanes of what was appended, or take them; `now`: the database's time before it was written."""
        bell = self.bell  # another thread may put another one in its place
        token = bell.take()
        if token is None:
            lane_ids = {lane_id for _, draft in numbered for lane_id in draft.lane_ids}
            yield from self._announce(bell, [Appended(lane_id) for lane_id in sorted(lane_ids)])
            return
        by_lane: dict[int, list[Delivery]] = {}
        for id_, d in numbered:
            for lane_id in d.lane_ids:
                by_lane.setdefault(lane_id, []).append(
                    Delivery(day, d.shop_id, id_, lane_id, d.type, d.subject, d.data, now, now, 0, 0, 0, None)
                )
        lease, holds = self.policy.lease, {lane_id: bell.hold_of(lane_id) for lane_id in by_lane}
        idle = [(lane_id, token, lease, now) for lane_id, hold in holds.items() if hold is None]
        yield Afterwards(sql["hand_over"], idle, bell.taken)
        held = [(lane_id, hold.token) for lane_id, hold in holds.items() if hold is not None]
        yield Afterwards(sql["still_held"], held, bell.kept)
        known = yield from self.known_facts.current()
        unknown = [(lane_id,) for lane_id in by_lane if lane_id not in known]
        yield Afterwards(self.facts, unknown, self._learned, known, reads=True)
        brought = [
            Appended(lane_id, found, False, token, holds[lane_id], known.get(lane_id))
            for lane_id, found in by_lane.items()
        ]
        yield from self._announce(bell, brought, unless=(sql["hand_over"], sql["still_held"]))

    def _learned(self, facts: list[Row], gifts: list[dict[int, Row]]) -> None:
        for known in gifts:
            learn(known, facts)
        self.bell.learned(facts, gifts)

    def _announce(
        self, bell: Bell, appended: Sequence[Appended], unless: tuple[Statement, ...] = ()
    ) -> Operation[None]:
        yield Afterwards(sql["ring_lanes"], [(one.lane_id,) for one in appended], bell.rung, appended, unless)


def learn(known: dict[int, Row], facts: Iterable[Row]) -> None:
    """Remember what was read of destinations, but for what holds for a time only."""
    known |= {row["lane_id"]: row for row in facts if row.get("until") is None}
