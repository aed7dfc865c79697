"""Lanes that are held are looked at in parts: each in its turn, none that is not held any more."""

from collections.abc import Mapping

from ombud.mailbox.held import HeldLane
from ombud.mailbox.looking import FEW_LANES, PARTS, Looking
from ombud.mailbox.model import Lane


def lanes(count: int) -> dict[int, HeldLane]:
    return {id_: HeldLane(Lane(id_, 1, id_, 99, 0), 0.0, 5.0) for id_ in range(count)}


def ids(looking: Looking, held: Mapping[int, HeldLane], *, whole: bool = False) -> list[int]:
    return [one.lane.id for one in looking.part(held, whole=whole)]


def test_few_are_looked_at_together() -> None:
    looking, held = Looking(), lanes(FEW_LANES)
    assert ids(looking, held) == ids(looking, held) == list(held)


def test_of_many_each_comes_up_once_in_a_round() -> None:
    looking, held = Looking(), lanes(10 * FEW_LANES + 1)
    for _ in range(2):
        seen = [ids(looking, held) for _ in range(PARTS)]
        assert sorted(id_ for part in seen for id_ in part) == list(held)
        assert max(map(len, seen)) == 2 * FEW_LANES + 1


def test_somebody_else_has_committed_something() -> None:
    looking, held = Looking(), lanes(2 * FEW_LANES)
    first = ids(looking, held)
    assert ids(looking, held, whole=True) == list(held)
    assert ids(looking, held) == first, "the round begins anew"


def test_what_is_given_back_or_leased_anew_meanwhile_is_not_looked_at_as_it_was() -> None:
    looking, held = Looking(), lanes(2 * FEW_LANES)
    ids(looking, held)
    left = set(range(FEW_LANES))
    del held[0]
    held[1] = lanes(2)[1]
    assert set(ids(looking, held)) == left - {0, 1}
    assert 1 in ids(looking, held) + ids(looking, held)
