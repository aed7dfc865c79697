"""Lanes that are held are looked at in parts: each in its turn, none that is not held any more. Signs of life wait."""

from collections.abc import Mapping

from ombud.mailbox.held import FRONT_SECONDS, HeldLane
from ombud.mailbox.looking import COMPANY_SECONDS, LEAST_PART, PARTS, Looking
from ombud.mailbox.model import Lane

EXTEND_SECONDS = 1.0


def lanes(count: int) -> dict[int, HeldLane]:
    return {id_: HeldLane(Lane(id_, 1, id_, 99, 0), 0.0, EXTEND_SECONDS) for id_ in range(count)}


def look(
    looking: Looking, held: Mapping[int, HeldLane], now: float = FRONT_SECONDS, *, woken: bool = False
) -> list[int]:
    """Look, when all that are looked at need a turn unless something else is said; returns their ids."""
    return [one.lane.id for one in looking.look(held, now, 0, woken=woken, pause_seconds=9.0)]


def signs(looking: Looking, held: Mapping[int, HeldLane], now: float, *, company: bool = False) -> list[int]:
    return [one.lane.id for one in looking.signs(held, now, company=company)]


def test_few_are_looked_at_together() -> None:
    looking, held = Looking(30.0), lanes(LEAST_PART)
    assert look(looking, held) == look(looking, held, 2 * FRONT_SECONDS) == list(held)


def test_of_many_each_comes_up_once_in_a_round() -> None:
    looking, held = Looking(30.0), lanes(10 * LEAST_PART + 1)
    for number in (1, 2):
        seen = [look(looking, held, number * FRONT_SECONDS) for _ in range(PARTS)]
        assert sorted(id_ for part in seen for id_ in part) == list(held)
        assert max(map(len, seen)) == 2 * LEAST_PART + 1


def test_all_are_looked_at_when_somebody_else_has_committed_something() -> None:
    looking, held = Looking(30.0), lanes(2 * LEAST_PART)
    first = look(looking, held)
    assert look(looking, held, woken=True) == list(held)
    assert look(looking, held, 2 * FRONT_SECONDS) == first, "the round begins anew"


def test_what_is_given_back_or_leased_anew_meanwhile_is_not_looked_at_as_it_was() -> None:
    looking, held = Looking(30.0), lanes(2 * LEAST_PART)
    look(looking, held)
    left = set(range(LEAST_PART))
    del held[0]
    held[1] = lanes(2)[1]
    assert set(look(looking, held)) == left - {0, 1}
    assert 1 in look(looking, held) + look(looking, held)


def test_signs_of_life_wait_for_company_but_not_for_long() -> None:
    looking, held = Looking(30.0), lanes(3)
    assert look(looking, held, EXTEND_SECONDS) == []
    assert signs(looking, held, EXTEND_SECONDS) == []
    del held[1]
    assert signs(looking, held, EXTEND_SECONDS, company=True) == [0, 2]
    assert signs(looking, held, EXTEND_SECONDS, company=True) == [], "they went"
    look(looking, held, EXTEND_SECONDS)
    assert signs(looking, held, EXTEND_SECONDS + COMPANY_SECONDS) == [0, 2]


def test_signs_of_a_short_lease_wait_less() -> None:
    looking, held = Looking(0.1), lanes(1)
    assert look(looking, held, EXTEND_SECONDS) == []
    assert signs(looking, held, EXTEND_SECONDS + 0.02) == [0]
