"""Whatever the past of a house: nothing pending is lost, and nothing old stays."""

from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ombud.mailbox import retention
from ombud.mailbox.model import Ages, State
from tests.behaviour.housekeeping import days_pass, end, end_days, stored, today, try_once
from tests.mailbox.office import Office, StoppedClock


@dataclass(frozen=True)
class Past:
    """An event that somebody appended on some day, with how its deliveries stand."""

    day: int
    states: tuple[State, ...]
    tries: int


pasts = st.lists(
    st.builds(
        Past,
        st.integers(0, 12),
        st.lists(st.sampled_from(State), max_size=3).map(tuple),
        st.integers(0, 2),
    ),
    max_size=25,
)


@given(pasts, st.integers(0, 4), st.integers(0, 8))
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_whatever_happened_nothing_pending_is_lost_and_nothing_old_stays(
    office: Office, clock: StoppedClock, history: list[Past], done_days: int, more_days: int
) -> None:
    ages = Ages(done_days, done_days + more_days)
    lanes = [office.add_lane() for _ in range(3)]
    expected: dict[int, Past] = {}
    for day in range(13):
        office.run(lambda: retention.open_days(clock()))
        for past in (one for one in history if one.day == day):
            event_id = office.append(*lanes[: len(past.states)])
            for lane_id, state in zip(lanes, past.states, strict=False):
                for _ in range(past.tries):
                    try_once(office, event_id, lane_id)
                    office.rows("update delivery set due_at = :now where event_id = :id", now=clock(), id=event_id)
                end(office, event_id, state, lane_id)
            expected[event_id] = past
        days_pass(clock, 1)
    end_days(office, ages)

    old = {id_: past for id_, past in expected.items() if 13 - past.day > ages.done_days}
    kept = {
        event_id
        for event_id, past in old.items()
        if State.PENDING in past.states or (State.DEAD in past.states and 13 - past.day <= ages.failed_days)
    }
    left = stored(office, "event")
    assert set(left) == (set(expected) - set(old)) | kept
    assert all(left[event_id] == {today(office)} for event_id in kept)
    assert {id_ for id_, past in expected.items() if past.states} & set(left) == set(stored(office, "delivery"))
    for event_id in left:
        past = expected[event_id]
        rows = office.rows(
            "select lane_id, state, day from delivery where event_id = :id order by lane_id", id=event_id
        )
        assert [row["state"] for row in rows] == list(past.states)
        assert {row["day"] for row in rows} <= left[event_id]
        assert len(office.attempts(event_id)) == past.tries * len(past.states)
        assert stored(office, "attempt").get(event_id, left[event_id]) == left[event_id]
    # The next history begins with an empty house.
    for lane_id in lanes:
        office.rows("update delivery set state = 1 where lane_id = :id", id=lane_id)
    days_pass(clock, 100)
    end_days(office, ages)
    assert stored(office, "event") == {}
