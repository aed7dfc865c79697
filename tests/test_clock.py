"""The clock of a database file: the machine's may be set by anybody, and what is due must not care."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ombud.clock import SLEW, TOLERANCE, SteadyClock, elapsed_microseconds, now_microseconds

SECOND = 1_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
START = 1_800_000_000 * SECOND
# The 19th of January 2038, when 32 bits of seconds end.
IN_2038 = 2_147_483_648 * SECOND


@dataclass
class Machine:
    """A machine: its clock, which somebody may set, and the time that really passes."""

    wall: int = START
    elapsed: int = 5 * SECOND

    def live(self, microseconds: int) -> None:
        self.wall += microseconds
        self.elapsed += microseconds


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def clock(machine: Machine) -> SteadyClock:
    return SteadyClock(lambda: machine.wall, lambda: machine.elapsed)


def test_it_is_the_machines_time(machine: Machine, clock: SteadyClock) -> None:
    for _ in range(100):
        machine.live(SECOND)
        assert clock() == machine.wall


def test_the_real_one_tells_the_time() -> None:
    clock = SteadyClock()
    before = now_microseconds()

    assert before - TOLERANCE <= clock() <= now_microseconds() + TOLERANCE
    assert elapsed_microseconds() <= elapsed_microseconds()


jumps = pytest.mark.parametrize(
    "set_to",
    [START - HOUR, START + HOUR, START - DAY, START + DAY, 0, IN_2038],
    ids=["an hour back", "an hour on", "a day back", "a day on", "to 1970", "to 2038"],
)


@jumps
def test_a_jump_is_not_followed(machine: Machine, clock: SteadyClock, set_to: int) -> None:
    """So what is due in a minute comes in a minute, give or take a tenth, and no lease of half a minute goes."""
    machine.wall = set_to
    assert clock() == START
    due_at, passed = START + 60 * SECOND, 0
    while clock() < due_at:
        machine.live(SECOND // 10)
        passed += SECOND // 10
        if passed <= 27 * SECOND:
            assert clock() < START + 30 * SECOND, "a lease that began with the jump has ended early"

    assert 60 * SECOND * (1 - SLEW) - SECOND <= passed <= 60 * SECOND * (1 + SLEW) + 7 * SECOND


@jumps
@pytest.mark.parametrize("delay", [5 * SECOND, 5 * 60 * SECOND, 12 * HOUR])
def test_a_retrys_pause_is_kept_to_within_a_fifth(
    machine: Machine, clock: SteadyClock, set_to: int, delay: int
) -> None:
    began, passed = clock(), 0
    machine.live(delay // 7)
    passed += delay // 7
    machine.wall += set_to - START
    while clock() < began + delay:
        machine.live(delay // 100)
        passed += delay // 100

    assert 0.8 * delay <= passed <= 1.2 * delay


@pytest.mark.parametrize("off", [-HOUR, HOUR])
def test_an_hour_is_made_good_in_ten(machine: Machine, clock: SteadyClock, off: int) -> None:
    machine.wall += off
    for _ in range(9 * 3_600):
        machine.live(SECOND)
        clock()
    assert abs(clock() - machine.wall) > TOLERANCE
    for _ in range(3 * 3_600):
        machine.live(SECOND)
        clock()
    assert clock() == machine.wall


@given(st.lists(st.tuples(st.integers(0, DAY), st.integers(-IN_2038, IN_2038)), max_size=30))
def test_it_never_goes_back_and_keeps_its_pace(lived: list[tuple[int, int]]) -> None:
    machine = Machine()
    clock = SteadyClock(lambda: machine.wall, lambda: machine.elapsed)
    last = clock()
    for passed, set_by in lived:
        machine.live(passed)
        machine.wall = max(0, machine.wall + set_by)
        now = clock()
        assert now >= last
        assert (1 - SLEW) * passed - TOLERANCE <= now - last <= (1 + SLEW) * passed + TOLERANCE
        last = now


def test_a_machine_that_was_set_back_while_nothing_ran_goes_on_from_what_was_seen(
    machine: Machine, clock: SteadyClock
) -> None:
    seen = START + DAY
    clock.not_before(seen)
    assert clock() == seen
    machine.live(10 * SECOND)
    assert seen + 9 * SECOND <= clock() <= seen + 10 * SECOND

    clock.not_before(START)
    assert clock() >= seen + 9 * SECOND


def test_asked_by_many_threads_it_stays_in_order(machine: Machine, clock: SteadyClock) -> None:
    """The lock keeps a thread from taking back what another has said."""
    from concurrent.futures import ThreadPoolExecutor

    real = SteadyClock()

    def ask(_: int) -> bool:
        said = [real() for _ in range(500)]
        return said == sorted(said)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(16)))
