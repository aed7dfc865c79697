"""A list that is read page by page stays whole, whatever comes, goes and moves meanwhile."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ombud.client import Order, UnexpectedAnswer
from ombud.client.answer import Answer
from ombud.client.listing import Listing, Walk
from ombud.client.order_shapes import order_list
from ombud.client.secret import Secret

SECRET = Secret("some key")
NONE = {"code": 404, "error": "Not found"}


@dataclass
class Moving:
    """A shop's list, newest first, which pages by offset as the vendor's does."""

    things: list[int]
    reads: int = 0
    new: Any = field(default_factory=lambda: count(1_000))

    def answer(self, params: Sequence[tuple[str, str]]) -> Answer:
        self.reads += 1
        asked = dict(params)
        offset, limit = int(asked["offset"]), int(asked["limit"])
        page = self.things[offset : offset + limit]
        if not page:
            return Answer(404, {}, json.dumps(NONE).encode(), SECRET)
        return Answer(200, {}, json.dumps([{"order_id": one} for one in page]).encode(), SECRET)

    def arrive(self, place: int) -> None:
        self.things.insert(place % (len(self.things) + 1), next(self.new))

    def go(self, place: int) -> None:
        if self.things:
            del self.things[place % len(self.things)]

    def move(self, place: int) -> None:
        """Somebody edits it, and it is first in the list."""
        if self.things:
            self.things.insert(0, self.things.pop(place % len(self.things)))


Change = tuple[str, int]
Taker = Callable[[Listing[Order]], Any]


def listing(limit: int) -> Listing[Order]:
    return Listing("/orders", (("limit", str(limit)),), limit, order_list)


def read_all(shop: Moving, limit: int, changes: Sequence[Sequence[Change]] = (), taker: Taker = Walk) -> list[int]:
    """Read the whole list; between two pages the next of `changes` happen."""
    walk, given, coming = taker(listing(limit)), [], iter(changes)
    while (call := walk.call()) is not None:
        given += [int(order.id) for order in walk.take(call.parse(shop.answer(call.params)))]
        for name, place in next(coming, ()):
            getattr(shop, name)(place)
    return given


CHANGES = st.lists(
    st.lists(st.tuples(st.sampled_from(["arrive", "go", "move"]), st.integers(0, 60)), max_size=4), max_size=12
)


class Watched(Moving):
    """Remembers what did not stay in its place."""

    touched: set[int]

    def go(self, place: int) -> None:
        self._touch(place)
        super().go(place)

    def move(self, place: int) -> None:
        self._touch(place)
        super().move(place)

    def _touch(self, place: int) -> None:
        self.touched.update([self.things[place % len(self.things)]] if self.things else [])


@settings(max_examples=400, deadline=None)
@given(size=st.integers(0, 60), limit=st.integers(2, 25), changes=CHANGES)
# What stands behind a gap was once taken for the thing that closes it.
@example(size=7, limit=2, changes=[[], [], [], [("go", 0), ("go", 0)], [("go", 0)]])
def test_what_stays_in_its_place_is_given_once(size: Any, limit: Any, changes: Any) -> None:
    shop = Watched(list(range(size, 0, -1)))
    shop.touched = set()

    given_ids = read_all(shop, limit, changes)

    assert len(given_ids) == len(set(given_ids))
    assert set(range(1, size + 1)) - shop.touched <= set(given_ids)


@settings(max_examples=300, deadline=None)
@given(
    size=st.integers(6, 60),
    moves=st.lists(st.lists(st.integers(0, 60).map(lambda place: ("move", place)), max_size=1), max_size=4),
)
def test_what_jumps_to_the_beginning_is_given_too(size: Any, moves: Any) -> None:
    shop = Moving(list(range(size, 0, -1)))

    assert sorted(read_all(shop, 5, moves)) == list(range(1, size + 1))


class Forgetful(Walk[Order]):
    """As this client once was: no overlap, no look back, and only the page before is remembered."""

    def _following(self, size: int, *, joins: bool, new: int) -> int | None:
        del joins, new
        return None if size < self._listing.full else (self._offset or 0) + size


def test_a_walk_that_does_not_look_back_is_caught() -> None:
    changes = [[("go", 0)]]

    assert 4 not in read_all(Moving([6, 5, 4, 3, 2, 1]), 2, changes, Forgetful)
    assert sorted(read_all(Moving([6, 5, 4, 3, 2, 1]), 2, changes)) == [1, 2, 3, 4, 5, 6]


def test_a_walk_that_does_not_close_is_caught() -> None:
    class Open(Walk[Order]):
        def _beginning(self) -> int | None:
            return None

    moves = [[("move", 5)]]

    assert 1 not in read_all(Moving([6, 5, 4, 3, 2, 1]), 3, moves, Open)
    assert sorted(read_all(Moving([6, 5, 4, 3, 2, 1]), 3, moves)) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("size", "limit", "reads"), [(0, 10, 1), (1, 10, 1), (9, 10, 1), (10, 10, 3), (11, 10, 3), (500, 250, 4)]
)
def test_a_list_costs_few_requests_more_than_it_has_pages(size: Any, limit: Any, reads: Any) -> None:
    shop = Moving(list(range(size)))

    assert len(read_all(shop, limit)) == size
    assert shop.reads == reads


def test_all_goes_while_it_is_read() -> None:
    shop = Moving([4, 3, 2, 1])
    changes = [[("go", 0)] * 4]

    assert read_all(shop, 2, changes) == [4, 3]


def test_a_list_that_contradicts_itself_ends_in_an_error() -> None:
    """The first page is always full, and the second never there."""

    class Odd(Moving):
        def answer(self, params: Sequence[tuple[str, str]]) -> Answer:
            return super().answer(params) if dict(params)["offset"] == "0" else Moving([]).answer(params)

    with pytest.raises(UnexpectedAnswer, match="again and again"):
        read_all(Odd([3, 2, 1]), 2)
