"""How an alarm begins and ends, and when nobody wants to hear of it: pure."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ombud.admin.alarms.causes import Cause, Finding
from ombud.admin.alarms.quiet import Quiet, quiet_text, read_quiet
from ombud.admin.alarms.state import Known, judge
from ombud.errors import InvalidInput

HOLD = 60
FAILING, DISABLED = Cause.ENDPOINT_FAILING, Cause.ENDPOINT_DISABLED


def finding(about: str = "ep", cause: Cause = FAILING, **facts: str | int) -> Finding:
    return Finding(cause, about, 1, 0, facts)


def known(number: int = 1, cause: Cause = FAILING, about: str = "ep", **times: int | None) -> Known:
    return Known(number, cause, about, "{}", **({"seen_at": 0} | times))  # type: ignore[arg-type]


def test_what_lasts_is_an_alarm_and_what_passes_is_none() -> None:
    assert judge([], [finding()], 0, HOLD).new == [finding()]
    assert judge([known()], [finding()], HOLD - 1, HOLD).began == []
    assert judge([known()], [finding()], HOLD, HOLD).began == [1]
    assert judge([known()], [], HOLD - 1, HOLD).nothing == [1]


def test_it_is_over_when_it_stays_away() -> None:
    began = known(began_at=0)
    assert judge([began], [finding()], 1_000, HOLD).began == []
    missed = judge([began], [], 1_000, HOLD)
    assert (missed.missed, missed.ended) == ([1], [])
    away = known(began_at=0, missed_at=1_000)
    assert judge([away], [finding()], 1_010, HOLD).again == [1]
    assert judge([away], [], 1_000 + HOLD - 1, HOLD).ended == []
    assert judge([away], [], 1_000 + HOLD, HOLD).ended == [1]


def test_what_is_disabled_is_not_said_to_be_well() -> None:
    changes = judge([known(began_at=0)], [finding(cause=DISABLED)], 1_000, HOLD)
    assert (changes.replaced, changes.ended, changes.new) == ([1], [], [finding(cause=DISABLED)])


def test_facts_follow() -> None:
    assert judge([known()], [finding(amount=3)], 1, HOLD).facts == [(1, '{"amount": 3}')]


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 100)), max_size=60))
def test_begins_and_ends_take_turns_and_each_was_held(steps: list[tuple[bool, int]]) -> None:
    """Whatever comes and goes: between two words of one kind there is one of the other, and each has lasted."""
    now, state, said, since = 0, None, [], 0
    was = False
    for here, pause in steps:
        now += pause
        since = now if here != was else since
        was = here
        changes = judge([state] if state else [], [finding()] if here else [], now, HOLD)
        if changes.new:
            state = known(seen_at=now)
        elif state and changes.nothing:
            state = None
        elif state:
            if changes.began:
                said.append("began")
                assert now - since >= HOLD
            if changes.ended:
                said.append("ended")
                assert now - since >= HOLD
            gone = None if changes.again else now if changes.missed else state.missed_at
            began = now if changes.began else state.began_at
            state = None if changes.ended else known(seen_at=state.seen_at, began_at=began, missed_at=gone)
    assert said == ["began", "ended"] * (len(said) // 2) + ["began"] * (len(said) % 2)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-11-02T20:59:59", None),
        ("2026-11-02T21:00:00", "2026-11-03T06:00:00"),
        ("2026-11-03T05:59:59", "2026-11-03T06:00:00"),
        ("2026-11-03T06:00:00", None),
        # The nights in which the clocks are changed: an hour less, and one more.
        ("2026-03-28T22:00:00", "2026-03-29T05:00:00"),
        ("2026-10-24T22:00:00", "2026-10-25T06:00:00"),
    ],
)
def test_a_night_is_quiet(now: str, end: str | None) -> None:
    night = Quiet(22 * 60, 7 * 60, "Europe/Stockholm")
    assert night.ends_at(at(now)) == (None if end is None else at(end))


def test_hours_of_one_day_are_quiet_too() -> None:
    noon = Quiet(12 * 60, 13 * 60 + 30, "UTC")
    assert noon.ends_at(at("2026-11-02T12:00:00")) == at("2026-11-02T13:30:00")
    assert noon.ends_at(at("2026-11-02T13:30:00")) is None
    # This time is left out when summer comes; quiet ends nonetheless.
    left_out = Quiet(60, 150, "Europe/Stockholm")
    assert left_out.ends_at(at("2026-03-29T00:30:00")) == at("2026-03-29T01:30:00")


def test_times_are_read() -> None:
    assert read_quiet("22:00-07:05", "UTC") == Quiet(1_320, 425, "UTC")
    assert quiet_text(1_320, 425) == "22:00-07:05"
    assert read_quiet("", "UTC") is read_quiet("07:00-07:00", "UTC") is None
    for text in (
        "22:00",
        "22:00-",
        "7:05-08:00",
        "22:00-24:00",
        "22:00-07:60",
        "22:00-07:05\n",
        "22:00-\u0660\u0667:05",
    ):
        with pytest.raises(InvalidInput):
            read_quiet(text, "UTC")
