"""30 days on a virtual clock: every schedule, deadline, warning and disable falls where the table says.

The table is in docs/reference.md, "An endpoint that fails".
"""

import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ombud.admin.audit import audit
from ombud.settings import RETRY_SECONDS
from tests.sender.month import DAY, HOUR, WATCH_SECONDS, Member, Month, Told, down, well

MINUTE = 60.0
DONE, DEAD, SKIPPED = 1, 2, 3
# Seconds by which something may come later than planned: a worker's look, a turn.
LATE = 1.0


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where a commit costs no disk: the month has some ten thousand."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as made:
        yield Path(made)


def picky(at: float, subject: str) -> int:
    return 404 if subject == "order/4" else 200


def gone_twice_days_apart(at: float, _: str) -> int:
    return 410 if 0 <= at - 4 * DAY < 50 * MINUTE or 0 <= at - 11 * DAY < 50 * MINUTE else 200


def members() -> list[Member]:
    return [
        Member("operator", well, orders=0),
        Member("healthy", well),
        Member("minutes", down(1 * DAY, 1 * DAY + 10 * MINUTE)),
        Member("hours", down(2 * DAY, 2 * DAY + 6 * HOUR, 500)),
        Member("days", down(3 * DAY, 5.5 * DAY)),
        Member("longer", down(3 * DAY, 7.5 * DAY, 503)),
        Member("lost", down(5 * DAY, 15 * DAY)),
        Member("crowd", down(6 * DAY, 6 * DAY + 8 * HOUR), every=12 * HOUR, orders=150),
        Member("busy", lambda at, _: (429, "7200") if 8 * DAY <= at < 8 * DAY + MINUTE else 200),
        Member("picky", picky),
        Member("sparse", down(10 * DAY, 40 * DAY), every=30 * DAY, orders=2),
        Member("gone", lambda at, _: 410 if at >= 12 * DAY else 200),
        Member("forgiven", gone_twice_days_apart),
    ]


def lived(folder: Path, monkeypatch: pytest.MonkeyPatch, who: list[Member], days: float) -> Month:
    month = Month(folder, who, monkeypatch)
    if "lost" in month.members:
        lost = month.members["lost"]
        month.act(20 * DAY, lambda: month.sender.endpoints.change(lost.endpoint.id, enabled=True))
        month.act(20 * DAY + HOUR, lambda: replay_skipped(month, lost))
    if "sparse" in month.members:
        sparse = month.members["sparse"]
        sparse.orders = 0
        month.act(10 * DAY + HOUR, lambda: publish_two(month, sparse))
    month.run(days * DAY)
    return month


def replay_skipped(month: Month, member: Member) -> Any:
    from ombud.db.operation import Statement

    text = "select event_id, lane_id from delivery where state = 3 and lane_id = :id"
    rows = yield Statement(text, text), {"id": member.endpoint.lane_id}
    yield from month.sender.outbox.mailbox.replay([(row["event_id"], row["lane_id"]) for row in rows])


def publish_two(month: Month, member: Member) -> Any:
    from ombud.sender.outbox import Event

    yield from month.sender.outbox.publish([Event("order.new", str(n), member.endpoint.shop_id) for n in (1, 2)])


def by_event(told: list[Told]) -> dict[int, list[Told]]:
    found: dict[int, list[Told]] = defaultdict(list)
    for one in told:
        found[one.event_id].append(one)
    return found


def check_schedule(told: list[Told], *, exactly: bool) -> None:
    """No retry comes before its pause; in an open lane none comes later than its jitter."""
    for tries in by_event(told).values():
        for before, after in pairwise(tries):
            pause = RETRY_SECONDS[min(before.attempts, len(RETRY_SECONDS) - 1)]
            assert after.at - before.at >= pause - 0.001, (before, after)
            assert not exactly or after.at - before.at <= pause * 1.2 + LATE, (before, after)


def said(month: Month, name: str) -> list[tuple[str, Any]]:
    """Return what was said of an endpoint, in order; of deaths only that there were some."""
    found = [(kind, detail.get("days")) for kind, _, detail in month.notices(name)]
    return [one for place, one in enumerate(found) if one[0] != "delivery.dead" or place == found.index(one)]


def check_warnings(month: Month, name: str) -> None:
    """Days are counted from when it was closed, and said within a look."""
    notices = month.notices(name)
    closed = next(at for kind, at, _ in notices if kind == "endpoint.closed")
    for kind, at, detail in notices:
        if kind == "endpoint.failing":
            assert 0 <= at - closed - detail["days"] * DAY <= WATCH_SECONDS + LATE
        if kind == "endpoint.disabled":
            assert 0 <= at - closed - 5 * DAY <= 3 * HOUR + 6 * MINUTE


CLOSED, RECOVERED, DISABLED = ("endpoint.closed", None), ("endpoint.recovered", None), ("endpoint.disabled", None)
FAILING = [("endpoint.failing", days) for days in (1, 3, 4)]


def test_a_month(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    month = lived(folder, monkeypatch, members(), 30)

    for name in ("healthy", "picky", "forgiven", "sparse"):
        assert [one for one in said(month, name) if one[0].startswith("endpoint.")] == [], name
    for name in ("minutes", "hours", "crowd", "busy"):
        assert said(month, name) == [CLOSED, RECOVERED], name
    assert said(month, "days") == [CLOSED, FAILING[0], RECOVERED]
    assert said(month, "longer") == [CLOSED, *FAILING, RECOVERED]
    assert said(month, "lost") == [CLOSED, *FAILING, DISABLED]
    assert said(month, "gone") == [DISABLED]
    for name in ("days", "longer", "lost"):
        check_warnings(month, name)
    # What was said was heard.
    operator = month.members["operator"]
    assert len(operator.told) == len(month.rows("select 1 from event where type not like 'order.%'"))
    check_ends(month)
    check_times(month)
    report = month.database.read(lambda: audit(lambda _: False))
    assert report.sound, report
    month.close()


def check_ends(month: Month) -> None:
    """Whatever was down for less than five days lost nothing; the others say what they have missed."""
    for name in ("healthy", "minutes", "hours", "days", "longer", "crowd", "busy", "forgiven", "lost"):
        assert {state for state, _ in month.states(name)} == {DONE}, (name, month.states(name))
    [(state, reason)] = [one for one in month.states("picky") if one[0] != DONE]
    assert state == DEAD
    assert any(words in str(reason) for words in ("attempt 12 was the last", "would come after 72 hours"))
    assert all(state == DEAD for state, _ in month.states("sparse"))
    gone = month.states("gone")
    assert {state for state, _ in gone} == {DONE, SKIPPED}
    assert {reason for state, reason in gone if state == SKIPPED} == {"endpoint disabled"}
    deaths = [detail["event_id"] for name in ("picky", "sparse") for kind, _, detail in month.notices(name)]
    assert len(deaths) == len(set(deaths)) == 3


def check_times(month: Month) -> None:
    """Schedules, probes, pauses that were asked for, and ends, by when the endpoints were asked."""
    told = {name: member.told for name, member in month.members.items()}
    for name in ("healthy", "picky", "sparse", "forgiven"):
        check_schedule(told[name], exactly=True)
    for name in ("minutes", "hours", "days", "longer", "crowd"):
        check_schedule(told[name], exactly=False)
    assert max(Counter(one.event_id for one in told["healthy"]).values()) == 1
    for name in ("picky", "sparse"):
        for tries in by_event([one for one in told[name] if one.status != 200]).values():
            # With much jitter the twelfth would come too late.
            lived = tries[-1].at - tries[0].at
            assert len(tries) in (11, 12)
            assert sum(RETRY_SECONDS[: len(tries) - 1]) - 0.001 <= lived <= 72 * HOUR
    check_probes([one.at for one in told["crowd"] if 6 * DAY <= one.at < 6 * DAY + 8 * HOUR + 6 * MINUTE])
    asked = [one.at for one in told["busy"] if one.at >= 8 * DAY and one.status == 429]
    [next_try] = [one.at for one in told["busy"] if one.at > asked[-1]][:1]
    assert next_try - asked[0] >= 7_200.0 - 0.001
    assert [one for one in told["lost"] if 10 * DAY + 4 * HOUR <= one.at < 20 * DAY - 1] == []
    gone = [one.at for one in told["gone"] if one.status == 410]
    assert HOUR - 0.001 <= gone[-1] - gone[0] <= 3 * HOUR + LATE, "the first one an hour later is the last"


def check_probes(at: list[float]) -> None:
    """5 s after it has closed, then twice as long up to 5 minutes, and 20 % at most; something always waits."""
    pauses = [after - before for before, after in pairwise(at)]
    first = next(place for place, pause in enumerate(pauses) if pause >= 5)
    expected = 5.0
    probes = [pause for pause in pauses[first:] if pause >= 1]
    for pause in probes[:80]:
        assert expected - 0.001 <= pause <= expected * 1.2 + LATE, (expected, pause)
        expected = min(300.0, expected * 2)
    assert len(probes) >= 80


def test_a_table_that_is_not_kept_is_noticed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: given up a day later, warned of other days."""
    monkeypatch.setattr("ombud.mailbox.health.GIVE_UP_DAYS", 6)
    monkeypatch.setattr("ombud.sender.notices.WARNING_DAYS", (1, 2, 3))
    month = lived(folder, monkeypatch, [Member("operator", well, orders=0), Member("late", down(1 * DAY, 15 * DAY))], 9)

    with pytest.raises(AssertionError):
        check_warnings(month, "late")
    month.close()
